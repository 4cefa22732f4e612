"""Encrypted connections: the files that `zookeeper-tls` names, and what a failed handshake means in words."""

import errno
import ssl
from pathlib import Path

from nodepool_lite.config.zookeeper import ZooKeeperTls
from nodepool_lite.model.errors import ConfigError, NodepoolError, StoreUnavailableError

_NOT_YET_VALID, _EXPIRED, _OTHER_NAME, _OTHER_ADDRESS = 9, 10, 62, 64
"""Of OpenSSL's X509_V_ERR_ codes (x509_vfy.h) those that do not speak of the authority."""


def context(tls: ZooKeeperTls) -> ssl.SSLContext:
    """Return what a handshake needs, read from the files as they are now: certificates may be renewed meanwhile.

    Raises:
        ConfigError: a file is missing or is not what it should be.
        StoreUnavailableError: this user may not read one of them.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = tls.check_hostname
    for key, path in (("ca", tls.ca), ("cert", tls.cert), ("key", tls.key)):
        if path is not None:
            _readable(key, path)
    try:
        made.load_verify_locations(tls.ca)
    except ssl.SSLError as error:
        raise ConfigError(
            f"`ca` of `zookeeper-tls`: {tls.ca} holds no certificates ({_said(error)}): expected a PEM file"
        ) from error
    if tls.cert is not None:
        try:
            made.load_cert_chain(tls.cert, tls.key, password=_no_passphrase)
        except (ssl.SSLError, _PassphraseError) as error:
            files = f"{tls.cert} and {tls.key}" if tls.key else f"{tls.cert}"
            raise ConfigError(
                f"`cert` and `key` of `zookeeper-tls`: {files} are no certificate with its private key "
                f"({_said(error)}): expected PEM files that belong together, the key without a passphrase"
            ) from error
    return made


def why_failed(error: ssl.SSLError | OSError, server: str, tls: ZooKeeperTls) -> str:
    """Return why there is no encrypted connection to a server, and what to do; empty when it may be only passing."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _distrust(error, server, tls)
    if isinstance(error, ssl.SSLError):
        said = _said(error)
        if "ALERT" in said.upper() and "PROTOCOL" not in said.upper():
            return _distrusted(said, server, tls)
        return (
            f"{server} does not speak TLS as we do ({said}): see that `zookeeper-servers` names the port that is the "
            "servers' `secureClientPort`; if theirs has no TLS, leave out `zookeeper-tls`"
        )
    return ""


class _PassphraseError(Exception):
    """A private key that somebody would have to open."""


def _no_passphrase() -> str:
    raise _PassphraseError("the key has a passphrase")


def _readable(key: str, path: Path) -> None:
    try:
        with path.open("rb"):
            return
    except OSError as error:
        what = f"`{key}` of `zookeeper-tls`: {path} cannot be read: {error.strerror}"
        kind: type[NodepoolError] = ConfigError
        todo = "put it there, or name the file that it is in"
        if error.errno in {errno.EACCES, errno.EPERM}:
            kind, todo = StoreUnavailableError, "join the group that owns it, or use sudo"
        raise kind(f"{what}; {todo}") from error


def _distrust(error: ssl.SSLCertVerificationError, server: str, tls: ZooKeeperTls) -> str:
    said = error.verify_message.rstrip(".")
    if error.verify_code in {_EXPIRED, _NOT_YET_VALID}:
        return f"the certificate of {server} is out of date ({said}): renew it, or see that this host's clock is right"
    if error.verify_code in {_OTHER_NAME, _OTHER_ADDRESS}:
        return (
            f"the certificate of {server} is for another name ({said}): name the server in `zookeeper-servers` as its "
            "certificate does, or set `check-hostname: false` in `zookeeper-tls`"
        )
    return (
        f"the certificate of {server} is not signed by an authority in {tls.ca} ({said}): "
        "name the file of the one that signed it as `ca` in `zookeeper-tls`"
    )


def _distrusted(said: str, server: str, tls: ZooKeeperTls) -> str:
    if tls.cert is None:
        return (
            f"{server} asks for a certificate ({said}): name one of the pool's as `cert` and `key` in `zookeeper-tls`"
        )
    return (
        f"{server} refuses our certificate {tls.cert} ({said}): `cert` in `zookeeper-tls` must be signed by an "
        "authority that the servers trust, and be in date"
    )


def _said(error: Exception) -> str:
    """Return the library's own word for it, e.g. `TLSV1_ALERT_UNKNOWN_CA`."""
    return str(getattr(error, "reason", None) or error)
