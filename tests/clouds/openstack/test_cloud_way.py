"""The way to a cloud: TLS as clouds.yaml says, tokens that end, and the version of the API that both sides speak."""

import datetime as dt
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.authority import Authority
from tests.cloud.proxy import FaultProxy, Reply
from tests.cloud.way import UPSTREAMS
from tests.clouds.openstack.conftest import Door

pytestmark = pytest.mark.cloud
TOKENS = "identity/v3/auth/tokens"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Give a certificate authority that nobody trusts by itself."""
    return Authority(tmp_path)


@pytest.fixture
def front(door: Door, authority: Authority) -> Iterator[ssl.SSLContext]:
    """Let the door lead through TLS; what it asks of clients can be changed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    front = authority.sign("front", "127.0.0.1")
    context.load_cert_chain(front.cert, front.key)
    with FaultProxy(UPSTREAMS, tls=context).running() as proxy:
        door.proxy = proxy
        yield context
        for driver in door.drivers:
            driver.close()


def test_the_ca_of_clouds_yaml_is_trusted(door: Door, front: ssl.SSLContext, authority: Authority) -> None:
    """As `cacert`, for every service."""
    door.write_clouds(cacert=str(authority.ca))
    driver = door.driver()
    assert list(driver.problems()) == []
    assert list(driver.list_servers()) == []
    assert {each.service for each in door.proxy.calls} >= {"identity", "compute", "network", "image"}


def test_a_certificate_that_nobody_vouches_for_is_told(door: Door, front: ssl.SSLContext) -> None:
    """With the setting that helps; and no password goes there."""
    door.write_clouds()
    (problem,) = door.driver().problems()
    assert "certificate verify failed" in problem
    assert "in clouds.yaml `cacert` names the file with the CA to trust" in problem
    assert door.proxy.calls == []


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_certificate_is_not_looked_at_where_clouds_yaml_says_so(door: Door, front: ssl.SSLContext) -> None:
    """As `verify: false`."""
    door.write_clouds(verify=False)
    assert list(door.driver().list_servers()) == []


def test_a_ca_file_that_does_not_exist_is_told(door: Door, front: ssl.SSLContext) -> None:
    """By its name."""
    door.write_clouds(cacert="/nowhere/ca.pem")
    (problem,) = door.driver().problems()
    assert "/nowhere/ca.pem" in problem


def test_the_pool_shows_the_certificate_that_clouds_yaml_names(
    door: Door, front: ssl.SSLContext, authority: Authority
) -> None:
    """As `cert` and `key`, to a cloud that asks for one."""
    front.verify_mode = ssl.CERT_REQUIRED
    front.load_verify_locations(authority.ca)
    door.write_clouds(cacert=str(authority.ca))
    assert door.driver().problems()
    pool = authority.sign("pool")
    door.write_clouds(cacert=str(authority.ca), cert=str(pool.cert), key=str(pool.key))
    assert list(door.driver().list_servers()) == []


def test_a_token_near_its_end_is_renewed_before_it_is_refused(door: Door) -> None:
    """A pool that runs for days has many of them."""

    def short_lived(reply: Reply) -> Reply:
        body: dict[str, Any] = json.loads(reply.body)
        end = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=60)
        body["token"]["expires_at"] = end.strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        return Reply(reply.status, reply.headers, json.dumps(body).encode())

    door.proxy.rule("POST", TOKENS, change=short_lived)
    driver = door.driver()
    for _ in range(3):
        driver.list_servers()
    assert len(door.proxy.made("POST", TOKENS)) == 2
    assert all(each.status < 300 for each in door.proxy.calls)


@pytest.mark.parametrize(("offered", "spoken", "tagged"), [("2.40", (2, 40), False), ("2.999", (2, 93), True)])
def test_the_newest_version_that_both_sides_know_is_spoken(
    door: Door, offered: str, spoken: tuple[int, int], tagged: bool
) -> None:
    """An older cloud is asked for no more than it can."""

    def other(reply: Reply) -> Reply:
        body = json.loads(reply.body)
        body["version"]["version"] = offered
        return Reply(reply.status, reply.headers, json.dumps(body).encode())

    door.proxy.rule("GET", "compute/v2.1/$", change=other)
    driver = door.driver()
    driver.list_servers()
    assert driver._api.version() == spoken
    server_id = driver.create_server(door.spec())
    assert [each.id for each in driver.list_servers()] == [server_id]
    body = door.proxy.made("POST", "compute/v2.1/servers$")[0].json
    assert ("tags" in body["server"]) == tagged
