"""The access room against a real OpenSSH sshd."""
