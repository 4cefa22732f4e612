"""The system's ssh client, started with a node's pinned host key and nothing of the user's own configuration."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from nodepool_lite.access.connection import Target


def known_hosts_line(host: str, port: int, key: str) -> str:
    """Return the line of a known_hosts file that pins `key` (`TYPE BASE64`) for one address and port.

    Source: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT".
    """
    name = host if port == 22 else f"[{host}]:{port}"  # noqa: PLR2004 - ssh's own port
    return f"{name} {' '.join(key.split()[:2])}\n"


def ssh_command(
    target: Target,
    key_path: Path,
    known_hosts_path: Path,
    command: Sequence[str] = (),
    certificate_path: Path | None = None,
) -> list[str]:
    """Return the argument list of an ssh client that logs in to `target`, or refuses when the host key differs.

    `command`: nothing opens a shell; one element is a line for the remote shell; several are run word for word.
    """
    options = {
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": _file(known_hosts_path),
        "GlobalKnownHostsFile": "/dev/null",
        "UpdateHostKeys": "no",
        "IdentityFile": _file(key_path),
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "PreferredAuthentications": "publickey",
        "ForwardAgent": "no",
        "ServerAliveInterval": "15",
        "LogLevel": "ERROR",
    }
    if certificate_path is not None:
        options["CertificateFile"] = _file(certificate_path)
    line = command[0] if len(command) == 1 else shlex.join(command)
    return [
        *("ssh", "-F", "none"),
        *(word for name, value in options.items() for word in ("-o", f"{name}={value}")),
        *("-p", str(target.port), "-l", target.username, "--", target.host),
        *([line] if command else []),
    ]


def _file(path: Path) -> str:
    """Return a path as ssh's options take it: quoted, with its own `%` doubled (ssh_config(5), TOKENS)."""
    escaped = str(path).replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
