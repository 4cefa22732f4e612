"""What a user may ask of the pool (grab, release, hold, delete ...), shared by the CLI and the API."""
