"""What is between a life and its world: every call takes time, may be the last one, and may go wrong."""
