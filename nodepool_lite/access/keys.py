"""The pool's own SSH keys, host keys for new servers, and key pairs for sets of nodes.

The cryptography library is imported when a key is made or read, so that importing this module costs nothing.
"""

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nodepool_lite.config.ownership import made_directory, publish
from nodepool_lite.config.settings import Config
from nodepool_lite.model.errors import KeyFileError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*")
_SET_KEY_BITS = 2048


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key in text form (kept out of every repr) and its public half, `TYPE BASE64` without a comment."""

    private_openssh: str = field(repr=False)
    public: str
    path: Path | None = None
    """The file that holds the private key, when there is one."""


def pool_key(config: Config) -> KeyPair:
    """Return the key that the pool logs in with: `private-key`, or `ssh/id_ed25519` made at its first use.

    Raises:
        KeyFileError: it cannot be read (or made), or is protected by a passphrase.
    """
    if config.private_key is not None:
        try:
            return _read(config.private_key)
        except FileNotFoundError:
            raise KeyFileError(
                f"private-key: there is no file {config.private_key}; make one with `ssh-keygen -t ed25519 -N '' -f "
                f"{config.private_key}`, or leave the key out of the configuration and the pool makes its own"
            ) from None
    return _read_or_make(config.state_dir / "ssh" / "id_ed25519", "nodepool-lite")


def ca_key(state_dir: Path) -> KeyPair:
    """Return the pool's SSH user CA, `ssh/user_ca` in the state directory, made at its first use.

    Raises:
        KeyFileError: it cannot be read or made.
    """
    return _read_or_make(state_dir / "ssh" / "user_ca", "nodepool-lite user CA")


def public_key_file(state_dir: Path, key: KeyPair) -> Path:
    """Return the file from which images take the public half of the pool's key, written anew when it is another.

    Raises:
        KeyFileError: it cannot be written.
    """
    path = state_dir / "ssh" / "pool.pub"
    text = f"{key.public} nodepool-lite\n"
    try:
        if not path.exists() or path.read_text() != text:
            made_directory(path.parent, 0o700)
            publish(path, text.encode(), 0o644, replace=True)
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be written ({error}); run as the pool's user, or with sudo") from None
    return path


def signs_for(state_dir: Path, ca_public: str) -> bool:
    """Return whether this process can sign for the CA with that public half: it never makes a CA of its own here."""
    path = state_dir / "ssh" / "user_ca"
    try:
        return _read(path).public == ca_public
    except (KeyFileError, OSError):
        return False


def new_host_key() -> KeyPair:
    """Return a fresh ed25519 key for one server to identify itself with."""
    return _pair(_new_ed25519())


def new_set_key() -> KeyPair:
    """Return a fresh RSA key, in PEM form, by which the nodes of one set reach each other."""
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415 - slow to import

    return _pair(rsa.generate_private_key(public_exponent=65537, key_size=_SET_KEY_BITS))


def read_private_key(text: str) -> KeyPair:
    """Return the pair of the private key in `text`, in OpenSSH or PEM form.

    Raises:
        KeyFileError: it is none, of an unknown type, or protected by a passphrase.
    """
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - slow to import
    from cryptography.hazmat.primitives import serialization as ser  # noqa: PLC0415

    data = text.encode()
    load = ser.load_ssh_private_key if b"BEGIN OPENSSH PRIVATE KEY" in data else ser.load_pem_private_key
    try:
        public = load(data, None).public_key().public_bytes(ser.Encoding.OpenSSH, ser.PublicFormat.OpenSSH)
    except TypeError:
        raise KeyFileError("the private key is protected by a passphrase; the pool needs one without") from None
    except (ValueError, UnsupportedAlgorithm, AttributeError) as error:
        raise KeyFileError(f"not a private SSH key: {error}") from None
    return KeyPair(text, public.decode())


def fingerprint(public: str) -> str:
    """Return the SHA256 fingerprint of a public key, as `ssh-keygen -l` prints it."""
    digest = hashlib.sha256(base64.b64decode(public.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def cloud_config(hostname: str, host_key: KeyPair) -> str:
    """Return user-data that gives a new server its name and its SSH host key; secret.

    Source: cloud-init's modules cc_set_hostname and cc_ssh. The elements' own guest script reads exactly this form.

    Raises:
        ValueError: `hostname` is not a host name.
    """
    if not _HOSTNAME.fullmatch(hostname):
        raise ValueError(f"{hostname!r} is not a host name: letters, digits and hyphens, in parts joined by dots")
    lines = [
        "#cloud-config",
        f"hostname: {_yaml_text(hostname)}",
        "ssh_deletekeys: true",
        "ssh_genkeytypes: []",
        "ssh_keys:",
        "  ed25519_private: |",
        *(f"    {line}" for line in host_key.private_openssh.strip().splitlines()),
        f"  ed25519_public: {host_key.public}",
    ]
    return "\n".join(lines) + "\n"


def _yaml_text(word: str) -> str:
    """Return `word` as YAML that reads as text: names like `1e5` or `no` would be something else."""
    import yaml  # noqa: PLC0415 - needed by launchers only

    return word if yaml.safe_load(word) == word else json.dumps(word)


def _new_ed25519() -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - slow to import

    return Ed25519PrivateKey.generate()


def _pair(key: "Ed25519PrivateKey | RSAPrivateKey") -> KeyPair:
    from cryptography.hazmat.primitives import serialization as ser  # noqa: PLC0415 - slow to import
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415

    form = ser.PrivateFormat.TraditionalOpenSSL if isinstance(key, RSAPrivateKey) else ser.PrivateFormat.OpenSSH
    private = key.private_bytes(ser.Encoding.PEM, form, ser.NoEncryption())
    public = key.public_key().public_bytes(ser.Encoding.OpenSSH, ser.PublicFormat.OpenSSH)
    return KeyPair(private.decode(), public.decode())


def _read(path: Path) -> KeyPair:
    try:
        pair = read_private_key(path.read_text())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read ({error.strerror}); run as the pool's user, or with sudo") from None
    except UnicodeDecodeError:
        raise KeyFileError(f"{path}: not a private SSH key: it is no text") from None
    except KeyFileError as error:
        raise KeyFileError(f"{path}: {error}") from None
    return KeyPair(pair.private_openssh, pair.public, path)


def _read_or_make(path: Path, comment: str) -> KeyPair:
    """Return the key in `path`; the first to come makes it, and everybody sees the same one."""
    try:
        return _read(path)
    except FileNotFoundError:
        pair = new_host_key()
    try:
        made_directory(path.parent, 0o700).chmod(0o700)
        publish(path, pair.private_openssh.encode(), 0o600, replace=False)
        made = _read(path)
        publish(path.with_name(path.name + ".pub"), f"{made.public} {comment}\n".encode(), 0o644, replace=False)
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be made ({error.strerror}); run as the pool's user, or with sudo") from None
    return made
