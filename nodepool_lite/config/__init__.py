"""nodepool.yaml: the schema, both dialects, and errors that say where and what to do."""
