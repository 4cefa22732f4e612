"""Elements and ready-scripts at work."""
