"""Root disks on volumes. The test cloud has no Cinder: the proxy answers in its place, as Cinder's API documents it."""

import json
from typing import Any

import pytest

from nodepool_lite.clouds.driver import Need
from nodepool_lite.config.settings import PoolLabel, ProviderPool
from tests.cloud.proxy import Reply, refusal
from tests.clouds.openstack.conftest import Door, active, gone

pytestmark = pytest.mark.cloud
LABEL = {"boot-from-volume": True, "volume-size": 20}
LIMITS = {
    "maxTotalVolumes": 10,
    "totalVolumesUsed": 9,
    "maxTotalVolumeGigabytes": 1000,
    "totalGigabytesUsed": 400,
}
OURS, KEPT, ATTACHED = "11111111-aaaa", "22222222-bbbb", "33333333-cccc"


def answer(body: object) -> Reply:
    """Return an answer of Cinder's."""
    return Reply(200, {"Content-Type": "application/json"}, json.dumps(body).encode())


@pytest.fixture
def cinder(door: Door) -> Door:
    """Let the catalogue have a volume service."""
    door.write_clouds(block_storage_endpoint_override=door.proxy.url("volume", "v3"))
    door.proxy.rule("GET", "volume/v3/limits", times=None, answer=answer({"limits": {"absolute": LIMITS}}))
    return door


def test_the_volume_quota_counts(cinder: Door) -> None:
    """With what is used of it by anyone."""
    driver = cinder.driver(label=LABEL)
    assert list(driver.problems()) == []
    quota = driver.quota()
    assert (quota.volumes, quota.volumes_used, quota.gigabytes, quota.gigabytes_used) == (10, 9, 1000, 400)
    label = PoolLabel(name="x", flavor_name="tiny", boot_from_volume=True, volume_size=20)
    need = driver.need(ProviderPool(networks=("bulk",)), label)
    assert need == Need(cores=1, ram=512, ports=1, volumes=1, gigabytes=20)


def test_volumes_do_not_concern_a_provider_that_boots_from_none(cinder: Door) -> None:
    """Not a call is made for them."""
    cinder.driver().quota()
    assert cinder.proxy.made("GET", "volume/") == []


def test_a_volume_that_nova_left_goes_after_its_server(cinder: Door) -> None:
    """Only one that was to go with it, and that nothing uses."""
    driver = cinder.driver(label=LABEL)
    plain = cinder.driver()
    server_id = plain.create_server(cinder.spec())
    cinder.proxy.rule("GET", "servers/detail", times=None, change=_with_volumes)
    active(driver, server_id)
    driver.delete_server(server_id)
    gone(driver, server_id)
    cinder.proxy.rule("GET", f"volumes/{OURS}", times=None, answer=_volume("available"))
    cinder.proxy.rule("GET", f"volumes/{ATTACHED}", times=None, answer=_volume("in-use", {"server_id": "another"}))
    cinder.proxy.rule("DELETE", "volumes/", answer=Reply(202, {}, b""))
    assert list(driver.sweep_leftovers()) == [f"volume {OURS} of server {server_id}"]
    assert [each.path.rpartition("/")[2] for each in cinder.proxy.made("DELETE", "volume/")] == [OURS]
    assert cinder.proxy.made("GET", KEPT) == []


def test_a_volume_service_that_does_not_answer_keeps_nothing_up(cinder: Door) -> None:
    """What is left is looked for again later."""
    driver = cinder.driver(label=LABEL)
    cinder.proxy.clear()
    cinder.proxy.rule("GET", "volume/v3/limits", times=None, answer=refusal(503))
    assert list(driver.list_servers()) == []
    assert driver.quota().volumes is None


def _with_volumes(reply: Reply) -> Reply:
    body: dict[str, Any] = json.loads(reply.body)
    for server in body["servers"]:
        server["os-extended-volumes:volumes_attached"] = [
            {"id": OURS, "delete_on_termination": True},
            {"id": KEPT, "delete_on_termination": False},
            {"id": ATTACHED, "delete_on_termination": True},
        ]
    return Reply(reply.status, reply.headers, json.dumps(body).encode())


def _volume(status: str, *attachments: object) -> Reply:
    return answer({"volume": {"status": status, "attachments": attachments}})
