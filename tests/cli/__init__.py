"""The command line, in this process and as an installed program."""
