"""Real images, real machines."""
