"""Getting into nodes: keys and certificates, SSH sessions with pinned host keys, info files, ready-scripts."""
