"""The real OpenStack for every test that needs one: brought up by the first, left up for the next run."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import openstack
import pytest

from tests.cloud.stack.place import Place
from tests.images import debian_image

COMMANDS = Path(__file__).parent
CONFIG_DRIVE = {"hw_cdrom_bus": "scsi", "hw_scsi_model": "virtio-scsi"}
"""On SATA, which is Nova's choice for this kind of machine, the image's kernel would not find it."""


@dataclass(frozen=True)
class Cloud:
    """The running cloud; the entries of its clouds.yaml are told in tests/cloud/README.md."""

    clouds_yaml: Path

    def connect(self, entry: str) -> openstack.connection.Connection:
        """Return a connection that is logged in as this entry of clouds.yaml."""
        config = openstack.config.OpenStackConfig(config_files=[str(self.clouds_yaml)])
        return openstack.connection.Connection(config=config.get_one(entry))

    def service(self, action: str, name: str) -> None:
        """Do `stop`, `kill`, `start` or `restart` to one of the services, named as `tests/cloud/status` shows them."""
        _command("service", action, name)


@dataclass(frozen=True)
class Debian:
    """An image that boots, and who logs in to its machines."""

    name: str
    key: Path
    user: str = "jenkins"


@pytest.fixture(scope="session")
def cloud() -> Cloud:
    """Give the cloud, which several test processes may share: turns.py tells how."""
    _command("up")
    return Cloud(Place.find().clouds_yaml)


@pytest.fixture(scope="session")
def debian(cloud: Cloud) -> Debian:
    """Give a real Debian image that is in Glance, as an image of project `one`."""
    file, key = debian_image()
    name = f"debian-12-{file.parent.name}"
    with cloud.connect("one") as member:
        if not any(image.status == "active" for image in member.image.images(name=name)):
            with file.open("rb") as data:
                form = {"disk_format": "qcow2", "container_format": "bare", "validate_checksum": False}
                member.image.create_image(name=name, data=data, **form, **CONFIG_DRIVE)
    return Debian(name, key)


@pytest.fixture
def member(cloud: Cloud) -> Iterator[openstack.connection.Connection]:
    """Give a connection of an ordinary member of project `one`."""
    connection = cloud.connect("one")
    yield connection
    connection.close()


def _command(*words: str) -> None:
    done = subprocess.run(
        [COMMANDS / words[0], *words[1:]], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
    )
    sys.stderr.write(done.stderr)
    if done.returncode:
        pytest.fail(f"tests/cloud/{' '.join(words)}:\n{done.stderr}")
