"""A WSGI application under uWSGI: one thread for each process, and few processes."""

from .place import API
from .process import Service, answers_http


def wsgi(name: str, port: int, script: str, after: tuple[str, ...], processes: int = 1, **environment: str) -> Service:
    """Return the service that serves a script of Debian's packages at a port of ours."""
    command = (
        "uwsgi-core", "--plugin", "python3", "--http-socket", f"{API}:{port}", "--wsgi-file", script,
        "--master", "--processes", str(processes), "--threads", "1", "--enable-threads", "--lazy-apps",
        "--thunder-lock", "--die-on-term", "--need-app", "--buffer-size", "65535", "--listen", "100",
        "--add-header", "Connection: close", "--disable-logging",
    )  # fmt: skip
    return Service(name, command, lambda: answers_http(port), environment, after)
