"""The cloud that other tests build on does what they take for granted: each of its parts is used once, as a member."""

import hashlib
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from keystoneauth1.exceptions import ConnectFailure
from openstack.compute.v2.server import Server
from openstack.connection import Connection
from openstack.exceptions import ForbiddenException, ResourceFailure

from tests.cloud.conftest import Cloud, Debian
from tests.cloud.stack.place import GLANCE, url
from tests.waiting import eventually

pytestmark = [
    pytest.mark.cloud,
    # openstacksdk 4 warns of how it calls itself.
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::openstack.warnings.OpenStackDeprecationWarning"),
]

BOOT_SECONDS = 300.0
Make = Callable[..., Server]


@pytest.fixture
def make(member: Connection) -> Iterator[Make]:
    """Make servers of project `one`, and delete them after the test."""
    made: list[Server] = []

    def one(network: str, zone: str = "fake", image: str = "empty", **options: object) -> Server:
        server = member.compute.create_server(
            name=f"stack-{uuid.uuid4().hex[:8]}",
            image_id=member.image.find_image(image, ignore_missing=False).id,
            flavor_id=member.compute.find_flavor("tiny", ignore_missing=False).id,
            networks=[{"uuid": member.network.find_network(network, ignore_missing=False).id}],
            availability_zone=zone,
            **options,
        )
        made.append(server)
        return member.compute.wait_for_server(server, wait=120, interval=0.3)

    yield one
    for server in made:
        member.compute.delete_server(server)
    for server in made:
        member.compute.wait_for_delete(server, interval=0.3, wait=120)


@pytest.fixture
def floating_ip(member: Connection) -> Iterator[Callable[[Server], str]]:
    """Give servers floating IPs, and take them back after the test."""
    given = []

    def one(server: Server) -> str:
        public = member.network.find_network("public", ignore_missing=False)
        port = next(member.network.ports(device_id=server.id))
        address = member.network.create_ip(floating_network_id=public.id, port_id=port.id)
        given.append(address)
        return str(address.floating_ip_address)

    yield one
    for address in given:
        member.network.delete_ip(address)


def test_a_fake_server_becomes_active_with_an_address_and_is_gone_after_its_deletion(member: Connection) -> None:
    """Hundreds of these stand in for a big cloud."""
    server = member.compute.create_server(
        name="stack-one",
        image_id=member.image.find_image("empty", ignore_missing=False).id,
        flavor_id=member.compute.find_flavor("tiny", ignore_missing=False).id,
        networks=[{"uuid": member.network.find_network("bulk", ignore_missing=False).id}],
    )
    server = member.compute.wait_for_server(server, wait=120, interval=0.3)
    assert server.availability_zone == "fake"
    assert server.addresses["bulk"][0]["addr"].startswith("10.79.")
    member.compute.delete_server(server)
    eventually(lambda: member.compute.find_server(server.id) is None, 120)


def test_a_fake_hypervisor_fails_and_dawdles_as_the_metadata_of_a_server_say(make: Make, member: Connection) -> None:
    """So tests of a pool can have servers in ERROR, with Nova's own words, and slow ones."""
    with pytest.raises(ResourceFailure):
        make("bulk", metadata={"fake-fault": "spawn"})
    failed = next(server for server in member.compute.servers() if server.status == "ERROR")
    assert "fake-fault" in member.compute.get_server(failed).fault["message"]
    before = time.monotonic()
    make("bulk", metadata={"fake-delay": "8"})
    assert time.monotonic() - before > 8


def test_a_floating_ip_shows_among_the_addresses_of_a_server(
    make: Make, floating_ip: Callable[[Server], str], member: Connection
) -> None:
    """Neutron tells Nova, though the server is a fake one."""
    server = make("private")
    address = floating_ip(server)
    end = time.monotonic() + 60
    while address not in _addresses(member, server) and time.monotonic() < end:
        time.sleep(0.5)
    assert address in _addresses(member, server)


def test_an_image_is_read_back_as_it_was_uploaded(member: Connection) -> None:
    """Glance keeps the bytes and their hash."""
    content = uuid.uuid4().bytes * 4096
    image = member.image.create_image(
        name="stack-upload", data=content, disk_format="raw", container_format="bare", validate_checksum=False
    )
    try:
        image = member.image.get_image(image)
        assert image.status == "active"
        assert image.hash_value == hashlib.sha512(content).hexdigest()
        assert member.image.download_image(image).content == content
    finally:
        member.image.delete_image(image)


def test_a_member_is_kept_from_what_is_the_administrators(member: Connection) -> None:
    """Tests run as members show what the pool can do without rights of its own."""
    with pytest.raises(ForbiddenException):
        list(member.compute.hypervisors())


def test_the_second_project_is_small(cloud: Cloud) -> None:
    """Tests of exhausted quotas use it."""
    with cloud.connect("one") as big, cloud.connect("two") as small:
        assert big.compute.get_limits().absolute.instances == 1000
        assert small.compute.get_limits().absolute.instances == 3


@pytest.mark.aside
@pytest.mark.proof
def test_a_true_machine_boots_and_lets_its_owner_in_over_ssh(
    make: Make, floating_ip: Callable[[Server], str], debian: Debian
) -> None:
    """Directly on the provider's network, and behind a router by a floating IP."""
    with ThreadPoolExecutor() as both:
        booting = [both.submit(make, network, "qemu", debian.name) for network in ("provider", "private")]
        direct, behind = (future.result() for future in booting)
    addresses = (direct.addresses["provider"][0]["addr"], floating_ip(behind))
    assert [_log_in(debian, address) for address in addresses] == ["jenkins", "jenkins"]


@pytest.mark.disruptive
def test_a_killed_service_works_again_when_it_was_started(cloud: Cloud, member: Connection) -> None:
    """Tests kill services while the pool uses them."""
    cloud.service("kill", "glance")
    try:
        with pytest.raises(ConnectFailure):
            member.session.get(url(GLANCE), authenticated=False)
    finally:
        cloud.service("start", "glance")
    assert any(image.name == "empty" for image in member.image.images())


def _addresses(member: Connection, server: Server) -> list[str]:
    networks = member.compute.get_server(server).addresses
    return [entry["addr"] for entries in networks.values() for entry in entries]


def _log_in(debian: Debian, address: str) -> str:
    """Return who we are on the machine, as soon as it lets us in."""
    command = ["ssh", "-i", str(debian.key), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    command += ["-o", "BatchMode=yes", "-o", "ConnectTimeout=3", f"{debian.user}@{address}", "id -un"]
    end = time.monotonic() + BOOT_SECONDS
    while True:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.strip()
        assert time.monotonic() < end, f"no login at {address}: {done.stderr}"
        time.sleep(1)
