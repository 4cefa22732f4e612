"""Tests of the units: by systemd's own tools, and under a real systemd."""
