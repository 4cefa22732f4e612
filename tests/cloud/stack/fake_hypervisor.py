"""Hypervisors that only pretend: hundreds of servers that are records everywhere but boot nowhere."""

from pathlib import Path

from . import ini
from .messages import heard
from .place import Place
from .process import Service

HOST = "fake-1"
ZONE = "fake"
LAUNCHER = Path(__file__).parent / "plugins" / "nova_compute.py"


def configure(place: Place) -> None:
    """Write what this compute has beside Nova's shared configuration."""
    ini.write(
        place.etc / "nova-compute-fake.conf",
        {"DEFAULT": {"host": HOST, "compute_driver": "patient_fake.PatientFakeDriver"}},
    )


def service(place: Place) -> Service:
    """Return the compute service with Nova's fake driver."""
    return compute(place, "nova-compute-fake", HOST, ("nova-conductor",))


def compute(place: Place, name: str, host: str, after: tuple[str, ...]) -> Service:
    """Return the compute service of a host, whose own configuration bears the service's name."""
    files = (place.etc / "nova" / "nova.conf", place.etc / f"{name}.conf")
    options = tuple(word for file in files for word in ("--config-file", str(file)))
    command = ("/usr/bin/python3", str(LAUNCHER), *options)
    return Service(name, command, lambda: heard(f"compute.{host}"), after=after)
