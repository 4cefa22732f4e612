"""Carrying out what was planned: dull, idempotent, restartable from the record alone."""
