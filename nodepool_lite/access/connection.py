"""Opening an SSH connection with paramiko: pinned host key, every wait bounded, failures told apart.

paramiko is imported when the first connection is made: the command line must not pay for it.
"""

import io
import logging
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from nodepool_lite.access.keys import KeyPair, fingerprint
from nodepool_lite.model.errors import HostKeyMismatchError, LoginRefusedError, NotYetReachableError

if TYPE_CHECKING:
    import paramiko

KEEPALIVE = 30
"""Seconds between two signs of life on an idle connection."""
UNANSWERED = 20
"""Seconds after which the kernel gives up a connection whose peer does not even acknowledge data (tcp(7))."""
FIRST_WORD = 0.25
"""The share of a login's time after which a peer that took the connection must have said that it is an sshd.

A user-mode network takes connections for a machine that has no address yet, and asks it again only after many seconds:
whoever connects anew gets in sooner.
"""
_LOGGER = "nodepool_lite.access.paramiko"
_RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256")


@dataclass(frozen=True, slots=True)
class Target:
    """Where to log in, as whom, and which host key (`TYPE BASE64`) must answer; None takes the first that does."""

    host: str
    port: int
    username: str
    host_key: str | None = None

    def __str__(self) -> str:
        return f"{self.username}@{self.host}:{self.port}"


class Watchdog:
    """Calls `bite` from a thread of its own when the block inside takes longer than `seconds`.

    paramiko waits without bound in places, and closing the connection is what ends all of these waits.
    """

    def __init__(self, seconds: float, bite: Callable[[], None]) -> None:
        self.expired = False
        self._bite = bite
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._timer.cancel()

    def _expire(self) -> None:
        self.expired = True
        self._bite()


def open_transport(target: Target, key: KeyPair, timeout: float) -> "paramiko.Transport":
    """Return an authenticated transport, after at most `timeout` seconds.

    Raises:
        NotYetReachableError: nobody answered, or not in time.
        HostKeyMismatchError: the pinned key was not the one that answered.
        LoginRefusedError: sshd did not take the key.
    """
    try:
        sock = socket.create_connection((target.host, target.port), timeout)
    except OSError as error:
        raise NotYetReachableError(f"{target}: {error.strerror or error}") from None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED * 1000)
    transport = _quiet_transport(sock, timeout)
    with Watchdog(timeout, lambda: close_transport(transport)) as watchdog:
        try:
            _negotiate(transport, target, key)
        except NotYetReachableError as error:
            close_transport(transport)
            if watchdog.expired:
                raise NotYetReachableError(f"{target}: no answer within {timeout:g} s") from None
            raise error from None
        except BaseException:
            close_transport(transport)
            raise
    transport.set_keepalive(KEEPALIVE)
    return transport


def close_transport(transport: "paramiko.Transport") -> None:
    """Close a transport in whatever state it is, and its socket with it."""
    transport.close()
    transport.sock.close()


def host_key_of(transport: "paramiko.Transport") -> str:
    """Return the public host key that the other side proved to have, as `TYPE BASE64`."""
    key = transport.get_remote_server_key()
    return f"{key.get_name()} {key.get_base64()}"


def _quiet_transport(sock: socket.socket, timeout: float) -> "paramiko.Transport":
    import paramiko  # noqa: PLC0415 - slow to import

    logger = logging.getLogger(_LOGGER)
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    transport = paramiko.Transport(sock)
    transport.set_log_channel(_LOGGER)
    transport.daemon = True
    transport.banner_timeout = timeout * FIRST_WORD
    # For the rest the watchdog keeps the time: paramiko's own limits only must not be shorter.
    transport.handshake_timeout = transport.auth_timeout = 2 * timeout
    return transport


def _negotiate(transport: "paramiko.Transport", target: Target, key: KeyPair) -> None:
    import paramiko  # noqa: PLC0415 - slow to import
    from paramiko.ssh_exception import IncompatiblePeer  # noqa: PLC0415

    try:
        if target.host_key is not None:
            kind = target.host_key.split()[0]
            transport.get_security_options().key_types = _RSA_SIGNATURES if kind == "ssh-rsa" else (kind,)
        transport.start_client()
        _check_host_key(target, host_key_of(transport))
        missing = transport.auth_publickey(target.username, _paramiko_key(key))
    except IncompatiblePeer as error:
        if target.host_key is not None and "host key" in str(error):
            raise HostKeyMismatchError(_mismatch(target, "no key of that type")) from None
        raise NotYetReachableError(f"{target}: {error}") from None
    except paramiko.AuthenticationException as error:
        if not transport.is_active():
            raise NotYetReachableError(f"{target}: the connection ended during the login") from None
        raise LoginRefusedError(
            f"{target}: sshd refused the pool's key {fingerprint(key.public)} ({str(error).rstrip('.')})"
        ) from None
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise NotYetReachableError(f"{target}: {str(error) or 'the connection ended'}") from None
    if missing:
        raise LoginRefusedError(f"{target}: sshd wants more than the pool's key: {', '.join(missing)}")


def _check_host_key(target: Target, seen: str) -> None:
    if target.host_key is not None and seen.split()[:2] != target.host_key.split()[:2]:
        raise HostKeyMismatchError(_mismatch(target, f"{seen.split(maxsplit=1)[0]} {fingerprint(seen)}"))


def _mismatch(target: Target, seen: str) -> str:
    pinned = target.host_key or ""
    return (
        f"{target}: the host key is not the pinned one: expected {pinned.split()[0]} {fingerprint(pinned)}, "
        f"got {seen}; another machine answers at this address, or its key was changed"
    )


def _paramiko_key(key: KeyPair) -> "paramiko.PKey":
    import paramiko  # noqa: PLC0415 - slow to import

    makers: dict[str, type[paramiko.PKey]] = {"ssh-ed25519": paramiko.Ed25519Key, "ssh-rsa": paramiko.RSAKey}
    maker = makers.get(key.public.split(maxsplit=1)[0], paramiko.ECDSAKey)
    return maker.from_private_key(io.StringIO(key.private_openssh))
