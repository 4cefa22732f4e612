"""What we claim, as commands that print tables."""
