"""SASL DIGEST-MD5 (RFC 2831) as ZooKeeper's servers speak it: proving that we know a password, without sending it."""

import hashlib
import hmac
import re
import secrets

_SERVER = "zookeeper/zk-sasl-md5"
"""The service that all of ZooKeeper's servers are for this mechanism (its SecurityUtils.java)."""
_DIRECTIVE = re.compile(r'([a-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^",]*))')


class SaslError(Exception):
    """The server's half of the exchange makes no sense, or does not prove that it knows the password."""


class DigestMd5:
    """One exchange: the server's challenge, our answer, and the server's proof that it knows the password too."""

    def __init__(self, username: str, password: str) -> None:
        self._username = username
        self._password = password
        self._expected = ""

    def answer(self, challenge: bytes) -> bytes:
        """Return the answer to a challenge; raises SaslError when it is none."""
        said = _directives(challenge)
        nonce, realm = said.get("nonce"), said.get("realm", "")
        if not nonce or "auth" not in said.get("qop", "auth").split(","):
            raise SaslError(f"the challenge offers no DIGEST-MD5 authentication: {challenge[:200]!r}")
        own = secrets.token_hex(16)
        start = _md5(b":".join(map(_text, (self._username, realm, self._password))))
        secret = start + f":{nonce}:{own}".encode()
        self._expected = _proof(secret, nonce, own, f":{_SERVER}")
        return ",".join(
            (
                "charset=utf-8",
                f'username="{self._username}"',
                f'realm="{realm}"',
                f'nonce="{nonce}"',
                "nc=00000001",
                f'cnonce="{own}"',
                f'digest-uri="{_SERVER}"',
                f"response={_proof(secret, nonce, own, f'AUTHENTICATE:{_SERVER}')}",
                "qop=auth",
            )
        ).encode()

    def check(self, reply: bytes) -> None:
        """Raise SaslError unless the server's reply to our answer proves that it knows the password."""
        if not hmac.compare_digest(_directives(reply).get("rspauth", ""), self._expected):
            raise SaslError("the server does not prove that it knows the password")


def _directives(data: bytes) -> dict[str, str]:
    found = _DIRECTIVE.findall(data.decode(errors="replace"))
    return {name: re.sub(r"\\(.)", r"\1", quoted) or plain for name, quoted, plain in found}


def _text(text: str) -> bytes:
    """Return text as it is hashed: ISO 8859-1 if that has all its characters, else UTF-8 (RFC 2831, 2.1.2.1)."""
    try:
        return text.encode("iso-8859-1")
    except UnicodeEncodeError:
        return text.encode()


def _proof(secret: bytes, nonce: str, own: str, what: str) -> str:
    parts = (_md5(secret).hex(), nonce, "00000001", own, "auth", _md5(what.encode()).hex())
    return _md5(":".join(parts).encode()).hex()


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()  # the mechanism's own
