"""Sources of servers: one protocol (`driver`), and a small driver for each kind of cloud."""
