"""Where the cloud keeps its state, which addresses it answers at, and the secrets that it made up."""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

DEFAULT_HOME = Path("/var/tmp/nodepool-lite-cloud")
LONGEST_HOME = 60
"""Characters: sockets live below the home directory, and the kernel takes 107 for the path of one."""

REGION = "RegionOne"
BLOCK = "198.18"
"""The first half of all addresses: a block for benchmarks (RFC 2544), which no real network should use."""
COMPUTE_VERSION = "2.90"
"""The microversion that the administrator speaks with Nova."""
API = f"{BLOCK}.0.2"
KEYSTONE, GLANCE, PLACEMENT, NOVA, NEUTRON = 5000, 9292, 8778, 8774, 9696


@dataclass(frozen=True)
class Wire:
    """A veth pair: one end on the host with an address, the other inside of the cloud."""

    host: str
    inside: str
    address: str
    inside_address: str | None = None


API_WIRE = Wire("npl-api", "api", f"{BLOCK}.0.1", API)
PROVIDER_WIRE = Wire("npl-provider", "provider", f"{BLOCK}.1.1")
PUBLIC_WIRE = Wire("npl-public", "public", f"{BLOCK}.2.1")
WIRES = (API_WIRE, PROVIDER_WIRE, PUBLIC_WIRE)


class Mode(StrEnum):
    """How much of a cloud there is."""

    FULL = "full"
    FAKE_ONLY = "fake-only"


class CloudError(Exception):
    """What stopped us, as one sentence for the person at the terminal."""


@dataclass(frozen=True)
class Place:
    """The directories of one cloud: `data` and `run` live as long as it runs, `cache` makes the next start fast."""

    home: Path

    @classmethod
    def find(cls) -> "Place":
        """Return the place that $NODEPOOL_TEST_CLOUD names, or the default; complain of one that cannot work."""
        home = Path(os.environ.get("NODEPOOL_TEST_CLOUD") or DEFAULT_HOME).resolve()
        if len(str(home)) > LONGEST_HOME:
            raise CloudError(f"{home}: too long for the paths of sockets; set NODEPOOL_TEST_CLOUD to a shorter one")
        if home.is_relative_to("/run"):
            raise CloudError(
                f"{home}: the cloud has a /run of its own; set NODEPOOL_TEST_CLOUD to a directory elsewhere"
            )
        return cls(home)

    @property
    def run(self) -> Path:
        """Process records and sockets."""
        return self.home / "run"

    @property
    def log(self) -> Path:
        """One file for each service."""
        return self.home / "log"

    @property
    def etc(self) -> Path:
        """The configuration that we write."""
        return self.home / "etc"

    @property
    def data(self) -> Path:
        """Databases, queues, images, servers: gone after `down`."""
        return self.home / "data"

    @property
    def cache(self) -> Path:
        """What makes the next start fast: database dumps, the image that they speak of, the secret."""
        return self.home / "cache"

    @property
    def clouds_yaml(self) -> Path:
        """What openstacksdk reads."""
        return self.home / "clouds.yaml"

    @property
    def auth_url(self) -> str:
        """Where Keystone answers."""
        return url(KEYSTONE, "/v3")

    @property
    def ready_mark(self) -> Path:
        """Present while the cloud is complete; holds its mode."""
        return self.run / "ready"

    @property
    def database_socket(self) -> Path:
        """Where MariaDB listens."""
        return self.run / "mariadb.sock"

    def make(self) -> None:
        """Make the directories; the home is for its owner alone, because the cloud's administrator is root here."""
        needed = (self.run, self.log, self.etc, self.cache, self.data / "home", self.data / "tmp")
        for directory in (self.home, *needed):
            directory.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o700)

    def password(self, user: str) -> str:
        """Return the password of one user of this cloud, the same for as long as its cache lives."""
        return hmac.new(self._secret, user.encode(), hashlib.sha256).hexdigest()[:32]

    @cached_property
    def _secret(self) -> bytes:
        kept = self.cache / "secret"
        if not kept.exists():
            kept.touch(mode=0o600)
            kept.write_text(secrets.token_hex(32))
        return kept.read_bytes()


def url(port: int, path: str = "") -> str:
    """Return the address of a service of ours."""
    return f"http://{API}:{port}{path}"
