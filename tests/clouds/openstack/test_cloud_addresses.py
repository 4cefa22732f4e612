"""Floating IPs on a real OpenStack: made only where they are needed, and never left behind."""

from collections.abc import Iterator
from typing import Any

import openstack
import pytest

from nodepool_lite.clouds.openstack import OpenStackDriver
from nodepool_lite.config.settings import PoolLabel, ProviderPool
from nodepool_lite.model.errors import CapacityError, TryAgainLaterError
from tests.cloud.proxy import Reply
from tests.clouds.openstack.conftest import Door, active, gone

pytestmark = pytest.mark.cloud
PRIVATE = {"networks": ["private"]}


def addresses(connection: openstack.connection.Connection, door: Door) -> list[Any]:
    """Return the floating IPs with the pool's mark."""
    return [each for each in connection.network.ips() if f"pool={door.pool_id} " in (each.description or "")]


def ended(driver: OpenStackDriver, door: Door) -> str:
    """Return the id of a server that `driver` has made and ended."""
    server_id = driver.create_server(door.spec())
    active(driver, server_id)
    driver.delete_server(server_id)
    gone(driver, server_id)
    return server_id


def port_of(device: str, member: openstack.connection.Connection) -> Any:
    """Return a port as Nova makes it for a server, which nothing uses."""
    bulk = member.network.find_network("bulk").id
    return member.network.create_port(network_id=bulk, device_id=device, device_owner="compute:fake")


@pytest.fixture
def foreign(member: openstack.connection.Connection) -> Iterator[tuple[str, str]]:
    """Give the ids of a floating IP and a port that somebody else made in the project and does not use."""
    public, private = (member.network.find_network(name).id for name in ("public", "private"))
    address = member.network.create_ip(floating_network_id=public, description="somebody's")
    port = member.network.create_port(network_id=private, device_owner="compute:fake")
    yield address.id, port.id
    member.network.delete_ip(address)
    member.network.delete_port(port)


def test_a_server_that_cannot_be_reached_gets_a_floating_ip(
    door: Door, member: openstack.connection.Connection, foreign: tuple[str, str]
) -> None:
    """It is marked from its first moment, goes with its server, and other people's stay."""
    driver = door.driver(pool=PRIVATE)
    assert driver.need(ProviderPool(**PRIVATE), PoolLabel(name="x", flavor_name="tiny")).addresses == 1
    server_id = driver.create_server(door.spec())
    server = active(driver, server_id)
    assert (server.address, server.lacks_address) == (None, True)
    driver.give_address(server_id)
    driver.give_address(server_id)
    (given,) = addresses(member, door)
    server = active(driver, server_id)
    assert (server.address, server.lacks_address) == (given.floating_ip_address, False)
    assert given.fixed_ip_address == server.private_address
    assert given.description == f"nodepool-lite pool={door.pool_id} node=0000000001 server={server_id}"
    again = door.driver(pool=PRIVATE)
    assert active(again, server_id).address == given.floating_ip_address
    again.delete_server(server_id)
    gone(again, server_id)
    assert addresses(member, door) == []
    assert list(again.sweep_leftovers()) == []
    assert member.network.get_ip(foreign[0]).id == foreign[0]
    assert member.network.get_port(foreign[1]).id == foreign[1]


@pytest.mark.parametrize(
    "pool",
    [
        {"networks": ["private"], "auto-floating-ip": False},
        {"networks": ["private"], "public-networks": ["private"]},
        {"networks": ["bulk"]},
    ],
    ids=["not wanted", "reachable", "no router"],
)
def test_a_fixed_address_is_used_where_there_is_no_other(door: Door, pool: dict[str, Any]) -> None:
    """No floating IP wanted, needed or to be had."""
    driver = door.driver(pool=pool)
    server = active(driver, driver.create_server(door.spec()))
    assert server.address == server.private_address
    assert not server.lacks_address


def test_a_floating_ip_whose_answer_was_lost_is_used(door: Door, member: openstack.connection.Connection) -> None:
    """There is one, not two."""
    driver = door.driver(pool={**PRIVATE, "floating-network": "public"})
    server_id = driver.create_server(door.spec())
    active(driver, server_id)
    door.proxy.rule("POST", "floatingips", cut="before")
    with pytest.raises(TryAgainLaterError):
        driver.give_address(server_id)
    door.proxy.rule("POST", "floatingips", cut="after")
    driver.give_address(server_id)
    (given,) = addresses(member, door)
    assert active(driver, server_id).address == given.floating_ip_address


def test_what_a_crash_left_is_swept_and_nothing_else(
    door: Door, member: openstack.connection.Connection, foreign: tuple[str, str]
) -> None:
    """A floating IP of ours whose server is gone."""
    driver = door.driver(pool=PRIVATE)
    server_id = driver.create_server(door.spec())
    active(driver, server_id)
    driver.give_address(server_id)
    member.compute.delete_server(server_id)
    gone(driver, server_id)
    (left,) = addresses(member, door)
    keeps = door.driver(pool=PRIVATE, **{"clean-floating-ips": False})
    keeps.list_servers()
    assert list(keeps.sweep_leftovers()) == []
    fresh = door.driver(pool=PRIVATE)
    assert list(fresh.sweep_leftovers()) == []  # before the first list nothing is known to be gone
    fresh.list_servers()
    assert fresh.sweep_leftovers() == [f"floating IP {left.floating_ip_address} of server {server_id}"]
    assert addresses(member, door) == []
    assert member.network.get_ip(foreign[0]).id == foreign[0]
    assert member.network.get_port(foreign[1]).id == foreign[1]


def test_a_port_that_nova_left_is_swept(
    door: Door, member: openstack.connection.Connection, foreign: tuple[str, str]
) -> None:
    """Only one that belonged to a server whose end we asked for."""
    driver = door.driver()
    server_id = ended(driver, door)
    left, other = (port_of(each, member) for each in (server_id, door.pool_id))
    try:
        assert driver.sweep_leftovers() == [f"port {left.id} of server {server_id}"]
        assert member.network.find_port(left.id) is None
        assert member.network.find_port(other.id) is not None
        assert member.network.find_port(foreign[1]) is not None
    finally:
        member.network.delete_port(other)


def test_a_port_that_nova_left_is_swept_by_another_process(door: Door, member: openstack.connection.Connection) -> None:
    """Whoever asked for the server's end died before it could look; the node's record told of the server."""
    server_id = ended(door.driver(), door)
    left = port_of(server_id, member)
    successor = door.driver()
    successor.list_servers()
    assert list(successor.sweep_leftovers()) == []
    successor.note_gone(server_id)
    assert successor.sweep_leftovers() == [f"port {left.id} of server {server_id}"]
    assert member.network.find_port(left.id) is None


def test_no_floating_ip_left_is_a_lack_of_room(door: Door) -> None:
    """The planner goes elsewhere."""
    driver = door.driver(pool=PRIVATE)
    server_id = driver.create_server(door.spec())
    active(driver, server_id)
    body = b'{"NeutronError": {"type": "OverQuota", "message": "Quota exceeded for [\'floatingip\']", "detail": ""}}'
    door.proxy.rule("POST", "floatingips", answer=Reply(409, {"Content-Type": "application/json"}, body))
    with pytest.raises(CapacityError, match="Quota exceeded"):
        driver.give_address(server_id)
