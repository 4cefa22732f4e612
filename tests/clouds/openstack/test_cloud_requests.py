"""What is asked of Nova for each setting, and what is not asked of it."""

import itertools
from collections.abc import Iterator

import openstack
import pytest

from nodepool_lite.clouds.driver import ServerState
from nodepool_lite.clouds.openstack import OpenStackDriver, ways
from tests.clouds.openstack.conftest import BOOTS_WITHIN, Door, active, listed
from tests.waiting import eventually

pytestmark = pytest.mark.cloud
LIST = "servers/detail"


def test_whatever_has_a_name_may_be_called_by_its_id(door: Door, member: openstack.connection.Connection) -> None:
    """Flavor, image, network and security group; the request is the same."""
    flavor = member.compute.find_flavor("tiny").id
    image, network = member.image.find_image("empty").id, member.network.find_network("bulk").id
    group = member.network.find_security_group("default").id
    spec = door.spec()
    by_name = door.driver(pool={"security-groups": ["default"]})
    by_id = door.driver(
        pool={"networks": [network], "security-groups": [group]},
        label={"flavor-name": flavor},
        **{"cloud-images": [{"name": "empty", "image-id": image}]},
    )
    assert list(by_id.problems()) == []
    asked = by_name._recipes.request(spec)["server"]
    assert (asked["flavorRef"], asked["imageRef"]) == (flavor, image)
    assert (asked["networks"], asked["security_groups"]) == ([{"uuid": network}], [{"name": group}])
    assert by_id._recipes.request(spec)["server"] == asked


def test_a_labels_own_networks_replace_the_pools(door: Door, member: openstack.connection.Connection) -> None:
    """In the order that is written."""
    driver = door.driver(pool={"networks": ["bulk"]}, label={"networks": ["private", "bulk"]})
    ids = [member.network.find_network(name).id for name in ("private", "bulk")]
    assert driver._recipes.request(door.spec())["server"]["networks"] == [{"uuid": each} for each in ids]


def test_a_root_disk_on_a_volume_is_asked_for_as_nova_wants_it(door: Door) -> None:
    """Nova takes the request; here it fails later, because this cloud has no volumes."""
    driver = door.driver(label={"boot-from-volume": True, "volume-size": 7})
    server_id = driver.create_server(door.spec())
    (call,) = door.proxy.made("POST", "compute/v2.1/servers$")
    assert call.status == 202
    (disk,) = call.json["server"]["block_device_mapping_v2"]
    assert (disk["volume_size"], disk["destination_type"], disk["delete_on_termination"]) == (7, "volume", True)
    assert "imageRef" not in call.json["server"]
    listed(driver, server_id, lambda each: each.state is ServerState.ERROR)


def test_other_peoples_servers_in_the_same_project_cost_nothing(
    door: Door, neighbour: openstack.connection.Connection
) -> None:
    """No list has them, however many they are: neither the first one, nor those of what changed."""
    ours = door.driver()
    active(ours, ours.create_server(door.spec()))
    alone = _first_list(door)
    image, flavor = neighbour.image.find_image("empty").id, neighbour.compute.find_flavor("tiny").id
    network = [{"uuid": neighbour.network.find_network("bulk").id}]
    options = {"image_id": image, "flavor_id": flavor, "networks": network, "availability_zone": "fake"}
    theirs = [neighbour.compute.create_server(name=f"theirs-{number}", **options) for number in range(5)]
    try:
        for each in theirs:
            neighbour.compute.wait_for_server(each, wait=BOOTS_WITHIN)
        assert _first_list(door) == alone
        eventually(lambda: _next_list(door, ours) < alone, 30)  # once nothing of theirs has just changed
    finally:
        for each in theirs:
            neighbour.compute.delete_server(each)


def _first_list(door: Door) -> int:
    """Return how many bytes the first list of a new launcher takes."""
    driver = door.driver()
    driver.list_servers()
    driver.close()
    return door.proxy.made("GET", LIST)[-1].size


def _next_list(door: Door, driver: OpenStackDriver) -> int:
    driver.list_servers()
    return door.proxy.made("GET", LIST)[-1].size


@pytest.fixture
def dual_network(door: Door, member: openstack.connection.Connection) -> Iterator[str]:
    """Give the name of a network whose ports get a private IPv4 and a global IPv6 address."""
    network = member.network.create_network(name=f"dual-{door.pool_id}")
    try:
        for version, cidr in ((4, "10.99.0.0/24"), (6, "2001:4860:99::/64")):
            member.network.create_subnet(
                network_id=network.id, ip_version=version, cidr=cidr, gateway_ip=None, enable_dhcp=False
            )
        yield network.name
    finally:
        for port in member.network.ports(network_id=network.id):
            member.compute.delete_server(port.device_id)
        eventually(lambda: not list(member.network.ports(network_id=network.id)), BOOTS_WITHIN)
        member.network.delete_network(network)


def test_which_address_is_used_of_a_server_with_ipv4_and_ipv6(
    door: Door, dual_network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IPv6 where this host has it, and either it is preferred or the IPv4 address leads nowhere."""
    pool = {"networks": [dual_network], "auto-floating-ip": False}
    driver = door.driver(pool=pool)
    server = active(driver, driver.create_server(door.spec()))
    for has_ipv6, prefer, public in itertools.product((True, False), repeat=3):
        monkeypatch.setattr(ways, "_has_ipv6", lambda has=has_ipv6: has)
        other = door.driver(pool={**pool, "prefer-ipv6": prefer, "public-networks": [dual_network] if public else []})
        found = active(other, server.id)
        expected = "2001:4860:99:" if has_ipv6 and (prefer or not public) else "10.99.0."
        assert (found.address or "").startswith(expected), (has_ipv6, prefer, public, found.address)
        assert (found.private_address or "").startswith("10.99.0.")
