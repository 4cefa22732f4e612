"""What users may ask of the pool."""
