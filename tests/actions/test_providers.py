"""What a provider has and takes: labels that cannot be made, addresses, consoles, user data, and left-overs."""

from typing import Any

import pytest

from nodepool_lite.actions.dispatch import carry_out
from nodepool_lite.clouds.simulated import SimulatedDriver
from nodepool_lite.config.settings import CloudImage
from nodepool_lite.model.errors import BadRequestError, CapacityError, TryAgainLaterError
from nodepool_lite.model.node import NodeState
from nodepool_lite.plan.actions import ListServers
from nodepool_lite.service import images
from nodepool_lite.service.status import status
from nodepool_lite.testing import LABEL, PROVIDER
from tests.actions.conftest import MakeWorld
from tests.world import World

BACKOFF = f"launch/{LABEL}@{PROVIDER}"
WRONG = "there is no network `privat`; there are: private, public"


def options(world: World, **changes: Any) -> None:
    """Change how the cloud behaves."""
    world.cloud.options = world.cloud.options.but(**changes)


def relabel(world: World, **changes: Any) -> None:
    """Change the settings of the label in the provider's pool, as a reload does."""
    provider = world.config.providers[0]
    pool = provider.pools[0]
    label = pool.labels[0].but(**changes)
    pools = (pool.but(labels=(label,)),)
    images = (CloudImage(name="theirs"), CloudImage(name="driveless", config_drive=False))
    changed = provider.but(pools=pools, cloud_images=images)
    world.config = world.config.but(providers=(changed,))


def test_a_label_that_cannot_be_made_is_found_before_the_first_launch(make_world: MakeWorld) -> None:
    """No server is asked for, no node is recorded, and everybody sees why; for hours."""
    world = make_world(impossible_labels={LABEL: WRONG})
    world.run(7200, step=10)
    assert world.cloud.calls["create_server"] == 0
    assert world.nodes() == []
    backoff = world.records.backoffs[BACKOFF]
    assert (backoff.error, backoff.looked) == (WRONG, True)
    assert backoff.next_try > world.clock.now()
    seen = status(world.records, world.config)
    assert seen.labels[0].error == WRONG
    assert seen.providers[0].error == f"{LABEL}: {WRONG}"
    assert sum("label.impossible" in line for line in world.journal.lines) == 1


def test_a_label_is_made_as_soon_as_what_was_missing_is_there(make_world: MakeWorld) -> None:
    """Somebody makes the network: nobody waits for a back-off."""
    world = make_world(impossible_labels={LABEL: WRONG})
    world.run(600, step=5)
    options(world, impossible_labels={})
    world.run(60)
    assert BACKOFF not in world.records.backoffs
    assert world.nodes(NodeState.READY)


def test_what_a_launch_found_out_stays_though_a_look_finds_nothing_wrong(make_world: MakeWorld) -> None:
    """The look does not see everything."""
    world = make_world()
    options(world, fail_create="bad-request")
    world.run(120)
    backoff = world.records.backoffs[BACKOFF]
    assert not backoff.looked
    assert backoff.failures >= 1


def test_a_server_that_lacks_an_address_is_given_one(make_world: MakeWorld) -> None:
    """Once, and then it goes on as any other."""
    world = make_world(floating_addresses=True)
    world.run(60)
    assert [node.address for node in world.nodes(NodeState.READY)] == ["192.0.2.1"]
    assert world.cloud.calls["give_address"] == 1


def test_an_address_that_does_not_come_at_once_is_asked_for_again(make_world: MakeWorld) -> None:
    """The node waits for it."""
    world = make_world(floating_addresses=True)
    for _ in range(3):
        world.cloud.fail_next(TryAgainLaterError("busy"), "give_address")
    world.run(120)
    assert len(world.nodes(NodeState.READY)) == 1
    assert world.cloud.calls["give_address"] == 4


@pytest.mark.parametrize("error", [CapacityError("no floating IP is left"), BadRequestError("no such network")])
def test_a_server_that_can_have_no_address_is_given_up(make_world: MakeWorld, error: Exception) -> None:
    """With the reason, and its provider is set aside for the label."""
    world = make_world(floating_addresses=True)
    world.cloud.fail_next(error, "give_address")
    world.run(40, step=0.5)
    (failed,) = world.nodes(NodeState.FAILED)
    assert failed.error == str(error)
    world.run(60)
    assert world.nodes(NodeState.READY)


def test_the_console_of_a_server_that_never_booted_is_kept(make_world: MakeWorld) -> None:
    """The record has no server yet, but the list tells which one it was; its last line is in the node's history."""
    world = make_world(boot_time=100, boot_error_rate=1.0)
    world.run(50)
    (server,) = world.cloud.servers().values()
    world.cloud.write_console(server.id, "[    0.0] Booting\n[    1.2] Kernel panic - not syncing: no init found\n\n")
    world.run(60)
    node = next(each for each in world.nodes(NodeState.FAILED) if each.id == server.spec.node_id)
    kept = world.launcher.ctx.node_logs(node.id) / "console.log"
    assert "Kernel panic" in kept.read_text()
    assert any("Kernel panic - not syncing: no init found" in event.reason for event in node.history)


def test_no_console_is_asked_for_where_the_label_does_not_want_it(make_world: MakeWorld) -> None:
    """`console-log: false`."""
    world = make_world(boot_time=10, boot_error_rate=1.0)
    relabel(world, console_log=False)
    world.run(60)
    assert world.nodes(NodeState.FAILED)
    assert world.cloud.calls["console_log"] == 0


def test_a_lack_of_room_sets_the_provider_aside_at_once(make_world: MakeWorld) -> None:
    """The retries that other failures have are not for this: the same again has no room either."""
    world = make_world({"min_ready": 3})
    options(world, fail_create="capacity")
    world.run(5, step=0.5)
    backoff = world.records.backoffs[BACKOFF]
    assert backoff.next_try > world.clock.now()
    assert world.nodes(NodeState.BUILDING) == []


def test_a_label_s_user_data_goes_with_the_pool_s_own(make_world: MakeWorld) -> None:
    """The host key is injected all the same."""
    world = make_world(images=("theirs",))
    relabel(world, diskimage=None, cloud_image="theirs", userdata="#!/bin/sh\necho hello\n")
    world.run(60)
    (asked,) = world.cloud.asked
    assert "echo hello" in asked.user_data
    assert "ed25519_private" in asked.user_data
    assert world.nodes(NodeState.READY)[0].host_key_source == "injected"


@pytest.mark.parametrize("how", ["ignition", "no config drive"])
def test_no_host_key_is_expected_of_a_server_that_cannot_get_one(make_world: MakeWorld, how: str) -> None:
    """Its key is pinned at first contact."""
    world = make_world(images=("theirs", "driveless"))
    if how == "ignition":
        relabel(world, diskimage=None, cloud_image="theirs", userdata='{"ignition": {}}')
    else:
        relabel(world, diskimage=None, cloud_image="driveless")
    world.run(60)
    (asked,) = world.cloud.asked
    assert "ed25519_private" not in asked.user_data
    assert asked.config_drive is (how == "ignition")
    assert world.nodes(NodeState.READY)[0].host_key_source == "first-contact"


def test_the_members_of_a_set_say_that_they_belong_together(make_world: MakeWorld) -> None:
    """By the id of their primary; one that stands alone says nothing."""
    world = make_world({"subnodes": 1})
    world.run(60)
    (primary,) = [node for node in world.nodes() if node.primary is None]
    assert {spec.set_id for spec in world.cloud.asked} == {primary.id}
    alone = make_world()
    alone.run(60)
    assert {spec.set_id for spec in alone.cloud.asked} == {""}


def test_left_overs_are_looked_for_at_the_start_and_then_now_and_then(make_world: MakeWorld) -> None:
    """With every clean-up."""
    world = make_world(config={"cleanup_interval": 600.0})
    world.run(60)
    assert world.cloud.calls["sweep_leftovers"] == 1
    world.run(1300, step=10)
    assert world.cloud.calls["sweep_leftovers"] == 3


def test_no_server_is_asked_for_before_it_is_known_what_there_is(make_world: MakeWorld) -> None:
    """A cloud that does not answer is not asked for servers; nor before its first answer."""
    world = make_world()
    for _ in range(3):
        world.cloud.fail_next(TryAgainLaterError("down"), "list_servers")
    world.run(4, step=0.5)
    assert world.cloud.calls["create_server"] == 0
    world.run(120)
    assert world.nodes(NodeState.READY)


def test_a_provider_that_was_taken_out_is_not_listed(make_world: MakeWorld) -> None:
    """The list was planned just before."""
    world = make_world()
    assert carry_out(world.launcher.ctx, ListServers(at=0, provider="gone"))
    assert world.cloud.calls["list_servers"] == 0


def test_what_the_pool_has_ended_itself_is_no_alien(make_world: MakeWorld) -> None:
    """Not even to another provider that is a door to the same cloud, and that looks there seldom."""
    world = make_world({"max_ready_age": 200.0}, config={"providers": (PROVIDER, "other"), "cleanup_interval": 600.0})
    world.run(1000, step=5)
    (upload, _) = world.records.uploads.values()
    images.delete_upload(world.store, upload.id, who="bob", now=world.clock.now())
    world.run(600, step=5)
    assert upload.id not in world.records.uploads
    assert world.cloud.calls["create_server"] > 3
    assert not [line for line in world.journal.lines if ".alien" in line]


def test_the_history_does_not_speak_of_a_login_that_was_not_tried(make_world: MakeWorld) -> None:
    """Where `login-test` is off."""
    world = make_world()
    provider = world.config.providers[0].but(login_test=False)
    world.config = world.config.but(providers=(provider,))
    world.run(60)
    (node,) = world.nodes(NodeState.READY)
    told = [step.reason for step in node.history if step.state == NodeState.PREPARING]
    assert told == ["no login was tried (`login-test: false`)"]


def test_a_driver_is_told_of_each_server_that_is_gone(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of one whose end somebody else asked for: what came with it is looked for by whoever is there then."""
    world = make_world()
    world.run(60)
    (node,) = world.nodes(NodeState.READY)
    told: list[str] = []
    monkeypatch.setattr(SimulatedDriver, "note_gone", lambda _driver, server_id: told.append(server_id))
    world.cloud.vanish(node.server_id or "")
    world.store.update(node.to(NodeState.DELETING, world.clock.now(), "by a launcher that died"))
    world.run(60)
    assert (told, node.id in world.records.nodes) == ([node.server_id], False)
