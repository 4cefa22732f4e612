"""Servers on a real OpenStack, as an ordinary member of the project makes, sees and deletes them."""

import time

import openstack
import pytest

from nodepool_lite.clouds.driver import ServerState
from nodepool_lite.clouds.openstack.glances import LOOK_EVERY
from nodepool_lite.model.clock import SystemClock
from nodepool_lite.model.errors import BadRequestError, CapacityError, GoneError
from tests.cloud.proxy import Reply, refusal
from tests.cloud.way import is_list
from tests.clouds.openstack.conftest import Door, active, gone, listed

pytestmark = pytest.mark.cloud


def test_a_server_lives_from_the_request_to_its_end_in_two_calls(door: Door) -> None:
    """One to make it and one to end it; lists tell the rest. A network without floating IPs needs none."""
    driver = door.driver()
    assert list(driver.problems()) == []
    assert list(driver.list_servers()) == []
    before = len(door.calls())
    spec = door.spec(7)
    server_id = driver.create_server(spec)
    (asked,) = driver.list_servers()
    assert (asked.id, asked.node_id, asked.attempt, asked.name) == (server_id, "0000000007", spec.attempt, spec.name)
    server = active(driver, server_id)
    assert server.address == server.private_address
    assert (server.az, server.port, server.lacks_address) == ("fake", 22, False)
    driver.delete_server(server_id)
    (ending,) = driver.list_servers() or [server.but(state=ServerState.DELETING)]
    assert ending.state is ServerState.DELETING
    gone(driver, server_id)
    driver.delete_server(server_id)
    made = [(each.method, each.path.partition("?")[0].replace(server_id, "ID")) for each in door.calls()[before:]]
    assert made[:2] == [("POST", "compute/v2.1/servers"), ("DELETE", "compute/v2.1/servers/ID")]
    assert set(made[2:]) <= {("GET", "compute/v2.1/servers/ID")}


def test_a_new_launcher_finds_the_servers_of_the_one_before(door: Door) -> None:
    """By their marks."""
    before = door.driver()
    server_id = before.create_server(door.spec())
    before.close()
    after = door.driver()
    assert active(after, server_id).node_id == "0000000001"


class FastClock(SystemClock):
    """A clock that runs ahead of the cloud's."""

    def now(self) -> float:
        """Return a time to come."""
        return super().now() + 40.0


def test_a_server_is_seen_though_our_clock_runs_ahead_of_the_clouds(door: Door) -> None:
    """Changes of the last seconds by our clock would be none by Nova's."""
    driver = door.driver(clock=FastClock())
    driver.list_servers()
    server_id = driver.create_server(door.spec())
    assert active(driver, server_id)
    driver.delete_server(server_id)
    gone(driver, server_id)


def test_what_is_asked_for_is_what_the_cloud_makes(door: Door, member: openstack.connection.Connection) -> None:
    """Flavor, key pair, security group, properties, config drive, name, tag and marks."""
    key = member.compute.create_keypair(name=f"key-{door.pool_id}")
    group = member.network.create_security_group(name=f"group-{door.pool_id}")
    try:
        driver = door.driver(
            pool={"security-groups": [group.name]},
            label={"flavor-name": "", "min-ram": 600, "key-name": key.name, "instance-properties": {"team": "red"}},
        )
        server_id = driver.create_server(door.spec(config_drive=True, user_data="#cloud-config\n"))
        active(driver, server_id)
        made = member.compute.get_server(server_id)
        assert made.flavor.original_name == "small"
        assert (made.key_name, made.name) == (key.name, "web-0000000001")
        assert made.has_config_drive
        assert [each["name"] for each in made.security_groups] == [group.name]
        assert (
            made.metadata.items()
            >= {
                "team": "red",
                "nodepool_pool_id": door.pool_id,
                "nodepool_node_id": "0000000001",
                "nodepool_label": "web",
                "nodepool_generation": "g1",
            }.items()
        )
        assert made.tags == [f"nodepool-{door.pool_id}"]
        driver.delete_server(server_id)
        gone(driver, server_id)
    finally:
        member.compute.delete_keypair(key)
        member.network.delete_security_group(group)


def test_other_peoples_servers_are_neither_seen_nor_touched(
    door: Door, neighbour: openstack.connection.Connection
) -> None:
    """In the same project, with the same name."""
    theirs = neighbour.compute.create_server(
        name="web-0000000001",
        image_id=neighbour.image.find_image("empty").id,
        flavor_id=neighbour.compute.find_flavor("tiny").id,
        networks=[{"uuid": neighbour.network.find_network("bulk").id}],
        availability_zone="fake",
    )
    try:
        driver, other = door.driver(), door.driver(pool_id=f"{door.pool_id}x")
        ours = driver.create_server(door.spec())
        active(driver, ours)
        assert [each.id for each in driver.list_servers()] == [ours]
        assert list(other.list_servers()) == []
        with pytest.raises(BadRequestError, match="is no server of any pool"):
            driver.delete_server(theirs.id)
        with pytest.raises(BadRequestError, match=f"belongs to pool {door.pool_id}, not to ours"):
            other.delete_server(ours)
        assert neighbour.compute.get_server(theirs.id).status in {"BUILD", "ACTIVE"}
    finally:
        neighbour.compute.delete_server(theirs.id)


def test_a_server_that_failed_says_why(door: Door) -> None:
    """In Nova's words, and with its console log."""
    driver = door.driver(label={"instance-properties": {"fake-fault": "spawn"}})
    server_id = driver.create_server(door.spec())
    server = listed(driver, server_id, lambda each: each.state is ServerState.ERROR)
    assert server.fault
    assert isinstance(driver.console_log(server_id), str)


def test_a_server_for_which_there_is_no_host_failed_for_lack_of_room(
    door: Door, admin: openstack.connection.Connection
) -> None:
    """So that its provider is set aside."""
    flavor = admin.compute.create_flavor(name=f"boundless-{door.pool_id}", ram=512, vcpus=1, disk=90_000_000)
    try:
        driver = door.driver(label={"flavor-name": flavor.name})
        server = listed(driver, driver.create_server(door.spec()), lambda each: each.state is ServerState.ERROR)
        assert "No valid host" in server.fault
        assert server.no_room
    finally:
        admin.compute.delete_flavor(flavor)


def test_what_is_done_to_a_server_behind_our_back_is_seen(door: Door, admin: openstack.connection.Connection) -> None:
    """Stopped, put into ERROR, deleted."""
    driver = door.driver()
    ids = [driver.create_server(door.spec(number)) for number in (1, 2, 3)]
    for server_id in ids:
        active(driver, server_id)
    stopped, broken, deleted = ids
    admin.compute.stop_server(stopped)
    admin.compute.reset_server_state(broken, "error")
    admin.compute.delete_server(deleted)
    assert "SHUTOFF" in listed(driver, stopped, lambda each: each.state is ServerState.STOPPED).fault
    listed(driver, broken, lambda each: each.state is ServerState.ERROR)
    gone(driver, deleted)


def test_sets_are_spread_over_the_zones_and_each_is_kept_together(door: Door) -> None:
    """Nodes that stand alone go round; members of a set go where their primary goes."""
    driver = door.driver(pool={"availability-zones": ["fake", "qemu"]})
    recipes = driver._recipes
    zones = [recipes.request(door.spec(number))["server"]["availability_zone"] for number in range(4)]
    assert zones == ["fake", "qemu", "fake", "qemu"]
    members = [recipes.request(door.spec(number, set_id="0000000005")) for number in (5, 6, 7)]
    assert {each["server"]["availability_zone"] for each in members} == {"qemu"}
    free = door.driver(pool={"availability-zones": []})._recipes
    assert "availability_zone" not in free.request(door.spec(1))["server"]
    assert free.request(door.spec(6, set_id="0000000005"))["server"]["availability_zone"] in {"fake", "qemu"}


def test_the_quota_is_known_and_kept_by_the_cloud(door: Door) -> None:
    """With what is used by anyone; one server more than the quota is a lack of room, and a reason to ask again."""
    driver = door.driver(cloud="two")
    quota = driver.quota()
    limits = (quota.servers, quota.cores, quota.ram, quota.ports, quota.addresses)
    assert limits == (3, 4, 4096, 6, 2)
    for number in range(quota.servers_used, 3):
        driver.create_server(door.spec(number))
    with pytest.raises(CapacityError, match="Quota exceeded"):
        driver.create_server(door.spec(9))
    assert driver.quota().servers_used == 3


def test_a_server_that_is_shown_for_a_moment_after_its_end_is_not_ended_again(door: Door) -> None:
    """Nova notes a server as deleted before it hides it."""
    driver = door.driver()
    server_id = driver.create_server(door.spec())
    active(driver, server_id)
    seen = door.proxy.rule("GET", f"servers/{server_id}", change=_deleted)
    door.driver().delete_server(server_id)
    assert seen.seen
    assert not door.proxy.made("DELETE", server_id)


def _deleted(reply: Reply) -> Reply:
    return Reply(reply.status, reply.headers, reply.body.replace(b'"status": "ACTIVE"', b'"status": "DELETED"'))


def test_a_server_that_does_not_exist_has_no_console(door: Door) -> None:
    """It is gone, which is no trouble of the cloud's."""
    with pytest.raises(GoneError):
        door.driver().console_log("1a2b3c4d-0000-0000-0000-000000000000")


def test_a_server_without_a_console_has_an_empty_one(door: Door) -> None:
    """Nova says so with 404, too: of one that is shut off, for example."""
    driver = door.driver()
    server_id = driver.create_server(door.spec())
    active(driver, server_id)
    door.proxy.rule("POST", f"{server_id}/action", answer=refusal(404, "Guest does not have a console available."))
    assert driver.console_log(server_id) == ""
    assert "FAKE CONSOLE" in driver.console_log(server_id)


def test_an_old_compute_api_without_tags_will_do(door: Door) -> None:
    """Then all servers of the project are listed, and ours are known by their metadata."""
    door.write_clouds(compute_default_microversion="2.37")
    driver = door.driver()
    server_id = driver.create_server(door.spec())
    active(driver, server_id)
    assert [each.id for each in driver.list_servers()] == [server_id]
    assert not door.proxy.made("GET", "tags=")
    driver.delete_server(server_id)
    gone(driver, server_id)


def test_a_list_of_many_pages_is_read_to_its_end(door: Door) -> None:
    """Nova gives as many as it likes, and says that there are more."""
    driver = door.driver()
    ids = {driver.create_server(door.spec(number)) for number in range(3)}
    door.proxy.rule("GET", "servers/detail", times=None, rewrite=lambda path: f"{path}&limit=1")
    assert {each.id for each in door.driver().list_servers()} == ids


def test_servers_that_start_are_followed_by_their_ids_until_they_run(door: Door) -> None:
    """Lists with details make Neutron work, for which new servers wait."""
    driver = door.driver()
    driver.list_servers()
    driver._watch._glances._unsure_until = 0.0  # as if no request of an earlier process could come through any more
    server_id = driver.create_server(door.spec())
    before, began = len(door.proxy.calls), time.monotonic()
    assert active(driver, server_id).private_address
    lists = [each.path for each in door.proxy.calls[before:] if is_list(each)]
    details = [each for each in lists if each.startswith("compute/v2.1/servers/detail")]
    assert all("status=BUILD" in each for each in lists if each not in details)
    assert len(details) < len(lists)
    assert len(details) <= 2 + (time.monotonic() - began) / LOOK_EVERY
    assert "status=ACTIVE" in details[-1]
    assert "status=BUILD" not in details[-1]
