"""The whole pool under faults: the real planners and executors; only clock, cloud and nodes are simulated."""
