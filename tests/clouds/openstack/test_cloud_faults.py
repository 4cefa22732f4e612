"""What the driver makes of each way in which a cloud, or the way to it, can fail."""

import time
from typing import Any

import pytest

from nodepool_lite.clouds.driver import ServerState
from nodepool_lite.model.errors import BadRequestError, CapacityError, CloudError, TryAgainLaterError
from tests.cloud.proxy import Reply, refusal, truncated
from tests.clouds.openstack.conftest import Door, active, gone

pytestmark = pytest.mark.cloud
QUOTA = "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances"
NO_EFFECT = [
    pytest.param({"cut": "before"}, TryAgainLaterError, id="cut before it went through"),
    pytest.param({"answer": refusal(500)}, TryAgainLaterError, id="500"),
    pytest.param({"answer": refusal(503)}, TryAgainLaterError, id="503"),
    pytest.param({"answer": refusal(409)}, TryAgainLaterError, id="409"),
    pytest.param({"answer": refusal(401), "times": 2}, TryAgainLaterError, id="401 again and again"),
]
LOST = [
    pytest.param({"cut": "after"}, id="cut after it went through"),
    pytest.param({"change": truncated}, id="half an answer"),
]
CREATION = "compute/v2.1/servers$"
LIST = r"compute/v2.1/servers(/detail)?\?"
"""With details, or on a slow day only the ids of those that are being built."""


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        *NO_EFFECT,
        pytest.param({"answer": refusal(403, QUOTA)}, CapacityError, id="403 quota"),
        pytest.param({"answer": refusal(403, "Policy does not allow this")}, BadRequestError, id="403 policy"),
        pytest.param({"answer": refusal(400, "Invalid key_name")}, BadRequestError, id="400"),
    ],
)
def test_a_creation_that_was_refused_made_nothing(door: Door, what: dict[str, Any], kind: type[CloudError]) -> None:
    """The planner decides by the kind of the error; no server comes of it."""
    driver = door.driver()
    driver.list_servers()
    door.proxy.rule("POST", CREATION, **what)
    with pytest.raises(kind) as caught:
        driver.create_server(door.spec())
    assert type(caught.value) is kind
    assert list(driver.list_servers()) == []
    assert list(door.driver().list_servers()) == []


@pytest.mark.parametrize("what", LOST)
def test_a_creation_whose_answer_was_lost_is_found_by_its_mark(door: Door, what: dict[str, Any]) -> None:
    """The same server, once: nothing is asked for a second time by the driver itself."""
    driver = door.driver()
    driver.list_servers()
    spec = door.spec()
    door.proxy.rule("POST", CREATION, **what)
    with pytest.raises(TryAgainLaterError):
        driver.create_server(spec)
    (server,) = driver.list_servers()
    assert (server.node_id, server.attempt) == (spec.node_id, spec.attempt)
    assert active(driver, server.id)
    assert len(door.proxy.made("POST", CREATION)) == 1


def test_a_token_that_ran_out_is_renewed_in_silence(door: Door) -> None:
    """The caller does not notice."""
    driver = door.driver()
    driver.list_servers()
    door.proxy.rule("POST", CREATION, answer=refusal(401))
    before = len(door.proxy.made("POST", "identity/v3/auth/tokens"))
    assert driver.create_server(door.spec())
    assert len(door.proxy.made("POST", "identity/v3/auth/tokens")) == before + 1


def test_credentials_that_were_renewed_in_clouds_yaml_are_used(door: Door) -> None:
    """Without a restart: the file is read again once the cloud has refused the old ones."""
    door.write_clouds(password="changed")
    driver = door.driver()
    with pytest.raises(TryAgainLaterError, match="does not accept the credentials"):
        driver.list_servers()
    assert "credentials" in driver.problems()[0]
    door.write_clouds()
    assert list(driver.list_servers()) == []


def test_a_cloud_that_is_asked_too_often_is_asked_less(door: Door) -> None:
    """The time that it says is waited, the call is made again, and calls stay apart for a while."""
    driver = door.driver()
    driver.list_servers()
    door.proxy.rule("POST", CREATION, answer=refusal(429, Retry_After="2"))
    server_id = driver.create_server(door.spec())
    refused, accepted = door.proxy.made("POST", CREATION)
    assert accepted.at - refused.at >= 1.9
    assert [each.id for each in driver.list_servers()] == [server_id]
    assert driver._turnstile.interval > 0


def test_a_cloud_that_keeps_refusing_is_left_alone_for_as_long_as_it_says(door: Door) -> None:
    """The planner hears of it, with the time."""
    driver = door.driver()
    driver.list_servers()
    door.proxy.rule("POST", CREATION, answer=refusal(429, Retry_After="600"), times=None)
    with pytest.raises(TryAgainLaterError) as caught:
        driver.create_server(door.spec())
    assert caught.value.retry_after == 600
    assert len(door.proxy.made("POST", CREATION)) == 1


def test_a_list_that_failed_changes_nothing(door: Door) -> None:
    """A passing failure, after which all is as it was: no server is taken for gone."""
    driver = door.driver()
    driver.list_servers()
    server_id = driver.create_server(door.spec())
    faults: dict[str, dict[str, Any]] = {
        "cut before": {"cut": "before"},
        "cut after": {"cut": "after"},
        "half an answer": {"change": truncated},
        "500": {"answer": refusal(500)},
        "503": {"answer": refusal(503, Retry_After="1")},
        "401": {"answer": refusal(401), "times": 2},
        "another shape": {"change": lambda reply: Reply(200, reply.headers, b'{"unexpected": []}')},
    }
    for name, what in faults.items():
        door.proxy.rule("GET", LIST, **what)
        with pytest.raises(TryAgainLaterError):
            driver.list_servers()
        assert [each.id for each in driver.list_servers()] == [server_id], name


def test_a_list_that_lacks_a_server_does_not_make_it_gone(door: Door) -> None:
    """A part of the cloud may be away: the server itself is asked for."""
    driver = door.driver()
    driver.list_servers()
    server_id = driver.create_server(door.spec())
    active(driver, server_id)
    door.proxy.rule("GET", LIST, times=None, change=lambda reply: Reply(200, reply.headers, b'{"servers": []}'))
    driver._watch._inventory._full_at = 0.0
    assert [each.id for each in driver.list_servers()] == [server_id]
    assert door.proxy.made("GET", f"servers/{server_id}")


def test_a_deletion_that_failed_is_asked_for_again(door: Door) -> None:
    """Whether it went through or not."""
    driver = door.driver()
    driver.list_servers()
    faults = [*(each.values[0] for each in NO_EFFECT), {"cut": "after"}]
    servers = {driver.create_server(door.spec()): what for what in faults}
    for server_id, what in servers.items():
        door.proxy.rule("DELETE", f"servers/{server_id}", **what)
        with pytest.raises(TryAgainLaterError):
            driver.delete_server(server_id)
        driver.delete_server(server_id)
    for server_id in servers:
        gone(driver, server_id)


def test_a_call_ends_in_time_when_the_cloud_does_not_answer(door: Door) -> None:
    """`api_timeout` of clouds.yaml is the time that each call has."""
    door.write_clouds(api_timeout=1)
    driver = door.driver()
    driver.list_servers()
    door.proxy.rule("GET", LIST, delay=4.0)
    with pytest.raises(TryAgainLaterError, match=r"(?i)tim"):
        driver.list_servers()
    assert list(driver.list_servers()) == []


def test_the_rate_is_kept(door: Door) -> None:
    """Calls begin so far apart, whoever makes them; measured where they arrive."""
    driver = door.driver(rate=0.4)
    driver.list_servers()  # with the log-in, which takes its time
    began = time.monotonic()
    driver.list_servers()
    driver.quota()
    driver.problems()
    for number in range(3):
        driver.create_server(door.spec(number))
    made = sorted(each.at for each in door.proxy.calls if each.service != "identity" and each.at >= began)
    assert len(made) > 6
    # However long each was on its way, none can arrive before its turn.
    assert all(at - began >= 0.4 * turn for turn, at in enumerate(made))
    assert driver.poll_interval >= 1.6


def test_a_cloud_without_a_volume_service_just_works(door: Door) -> None:
    """It is missed by labels that boot from a volume alone."""
    assert list(door.driver().problems()) == []
    (wrong,) = door.driver(label={"boot-from-volume": True}).problems()
    assert wrong == "label web in pool main: `boot-from-volume` needs a volume service, and this cloud has none"


def test_nothing_secret_of_the_user_data_is_in_an_error(door: Door) -> None:
    """User data holds the host key."""
    driver = door.driver()
    door.proxy.rule("POST", CREATION, answer=refusal(500))
    with pytest.raises(TryAgainLaterError) as caught:
        driver.create_server(door.spec(user_data="#cloud-config\n# TOP-SECRET\n"))
    assert "SECRET" not in str(caught.value)
    assert all(each.state is not ServerState.ACTIVE for each in driver.list_servers())
