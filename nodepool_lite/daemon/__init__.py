"""The roles as processes: start, signals, reload, leadership, and the loop that wakes and acts."""
