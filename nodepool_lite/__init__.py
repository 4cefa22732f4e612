"""nodepool-lite: a standalone pool of pristine test machines."""

__version__ = "0.1.0"
