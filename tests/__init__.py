"""The tests mirror the package; `world` is a whole pool in one thread."""
