"""SSH user certificates: a lease's own key is let into its nodes, and only there, until the lease ends."""

import secrets
from typing import TYPE_CHECKING, cast

from nodepool_lite.access.keys import KeyPair
from nodepool_lite.model.errors import KeyFileError, PublicKeyError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import SSHCertPublicKeyTypes

CLOCK_SKEW = 300
"""Seconds by which a node's clock may be behind ours: certificates hold that much earlier."""
MIN_RSA_BITS = 2048
EXTENSIONS = (
    "permit-X11-forwarding",
    "permit-agent-forwarding",
    "permit-port-forwarding",
    "permit-pty",
    "permit-user-rc",
)
"""What a plain login may do; without them a certificate gives a shell with no terminal."""


def check_public_key(text: str) -> str:
    """Return the one public key in `text` as `TYPE BASE64`, without its comment.

    Raises:
        PublicKeyError: it cannot be certified; says what was given and what is needed.
    """
    _load(text)
    return " ".join(text.split()[:2])


def sign_user_key(
    ca: KeyPair, public_key: str, *, node_id: str, lease_id: str, valid_from: float, valid_until: float
) -> str:
    """Return an OpenSSH user certificate for `public_key`, as one line for a `-cert.pub` file.

    Its only principal is the node's id, and it ends at `valid_until` (epoch seconds).
    Source: OpenSSH's PROTOCOL.certkeys.

    Raises:
        PublicKeyError: the public key cannot be used.
        KeyFileError: the CA is not one that `ca_key` made.
    """
    from cryptography.hazmat.primitives import serialization as ser  # noqa: PLC0415 - slow to import

    if not ca.public.startswith("ssh-ed25519 "):
        raise KeyFileError(f"{ca.path}: the pool's CA has to be an ed25519 key, as the pool makes it")
    authority = cast("Ed25519PrivateKey", ser.load_ssh_private_key(ca.private_openssh.encode(), None))
    builder = (
        ser.SSHCertificateBuilder()
        .public_key(_load(public_key))
        .type(ser.SSHCertificateType.USER)
        .serial(secrets.randbits(63))
        .key_id(f"lease {lease_id} node {node_id}".encode())
        .valid_principals([node_id.encode()])
        .valid_after(int(valid_from) - CLOCK_SKEW)
        .valid_before(int(valid_until))
    )
    for extension in EXTENSIONS:
        builder = builder.add_extension(extension.encode(), b"")
    certificate = builder.sign(authority)
    return f"{certificate.public_bytes().decode()} lease-{lease_id}"


def _load(text: str) -> "SSHCertPublicKeyTypes":
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - slow to import
    from cryptography.hazmat.primitives import serialization as ser  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    _refuse_what_is_no_public_key(text)
    try:
        key = ser.load_ssh_public_key(" ".join(text.split()[:2]).encode())
    except (ValueError, UnsupportedAlgorithm):
        raise PublicKeyError(
            "not an OpenSSH public key: expected one line like `ssh-ed25519 AAAA... you@host`, "
            "as in ~/.ssh/id_ed25519.pub"
        ) from None
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < MIN_RSA_BITS:
        raise PublicKeyError(
            f"the RSA key has {key.key_size} bits and {MIN_RSA_BITS} are needed; make one with `ssh-keygen -t ed25519`"
        )
    return cast("SSHCertPublicKeyTypes", key)


def _refuse_what_is_no_public_key(text: str) -> None:
    lines = text.strip().splitlines()
    if not lines:
        raise PublicKeyError("the public key is empty; give the file that ends in .pub, e.g. ~/.ssh/id_ed25519.pub")
    if "PRIVATE KEY" in text:
        raise PublicKeyError("that is a private key, which never leaves its owner; give the file that ends in .pub")
    if len(lines) > 1:
        raise PublicKeyError(f"expected one public key on one line, found {len(lines)} lines")
    kind = lines[0].split()[0]
    if "-cert-v01@" in kind:
        raise PublicKeyError(f"that is a certificate ({kind}); give the public key that it was made for")
    if kind == "ssh-dss":
        raise PublicKeyError("ssh-dss keys are too weak; make one with `ssh-keygen -t ed25519`")
    if kind.startswith("sk-"):
        raise PublicKeyError(
            f"keys held by a security token ({kind}) cannot be certified here; give an ed25519, ECDSA or RSA key"
        )
