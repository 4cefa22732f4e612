"""Certificates for tests: an authority, and what it signs, as the PEM files that servers and clients read."""

import datetime as dt
import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Files:
    """A certificate and its key; `both` is one file with the two."""

    cert: Path
    key: Path
    both: Path


@dataclass
class Authority:
    """Signs certificates; `ca` is the file with its own."""

    directory: Path
    name: str = "authority"
    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.ca = self.directory / f"{self.name}.pem"
        made = _builder(self.name, self.name, self._key.public_key(), days=30)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.ca.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def sign(self, name: str, *hosts: str, days: int = 30) -> Files:
        """Return a new certificate for some hosts or addresses; with negative `days` one that has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = _builder(name, self.name, key.public_key(), days)
        if hosts:
            made = made.add_extension(x509.SubjectAlternativeName([_host(each) for each in hosts]), critical=False)
        cert = made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        files = Files(*(self.directory / f"{name}.{each}" for each in ("cert", "key", "both")))
        for path, content in ((files.cert, cert), (files.key, private), (files.both, cert + private)):
            path.write_bytes(content)
        return files


def _builder(name: str, issuer: str, key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    begin = min(now, now + days * DAY) - DAY
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(now + days * DAY)
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
