"""SSH to the nodes: keys and certificates, logins with pinned host keys, ready-scripts that run detached."""
