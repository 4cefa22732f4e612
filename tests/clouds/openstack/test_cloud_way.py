"""The way to a cloud: TLS as clouds.yaml says, tokens that end, and the version of the API that both sides speak."""

import datetime as dt
import ipaddress
import json
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.cloud.proxy import FaultProxy, Reply
from tests.clouds.openstack.conftest import Door

pytestmark = pytest.mark.cloud
TOKENS = "identity/v3/auth/tokens"
HOUR = dt.timedelta(hours=1)


class Authority:
    """A certificate authority of the test's own; everything it makes is a file in one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
        self.certificate = self._written("ca.pem", self._signed(self._name, self._key, ca=True))

    def issue(self, name: str) -> tuple[Path, Path]:
        """Return a certificate for 127.0.0.1, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        form = serialization.PrivateFormat.PKCS8
        text = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        (self._directory / f"{name}.key").write_bytes(text)
        return self._written(f"{name}.pem", self._signed(subject, key, ca=False)), self._directory / f"{name}.key"

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        made = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        made = made.not_valid_before(now - HOUR).not_valid_after(now + HOUR).add_extension(address, critical=False)
        return made.add_extension(x509.BasicConstraints(ca, None), critical=True).sign(self._key, hashes.SHA256())

    def _written(self, name: str, certificate: x509.Certificate) -> Path:
        path = self._directory / name
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return path


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Give a certificate authority that nobody trusts by itself."""
    return Authority(tmp_path)


@pytest.fixture
def front(door: Door, endpoints: Mapping[str, str], authority: Authority) -> Iterator[ssl.SSLContext]:
    """Let the door lead through TLS; what it asks of clients can be changed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("front"))
    with FaultProxy(endpoints, tls=context).running() as proxy:
        door.proxy = proxy
        yield context
        for driver in door.drivers:
            driver.close()


def test_the_ca_of_clouds_yaml_is_trusted(door: Door, front: ssl.SSLContext, authority: Authority) -> None:
    """As `cacert`, for every service."""
    door.write_clouds(cacert=str(authority.certificate))
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
    front.load_verify_locations(authority.certificate)
    door.write_clouds(cacert=str(authority.certificate))
    assert door.driver().problems()
    certificate, key = authority.issue("pool")
    door.write_clouds(cacert=str(authority.certificate), cert=str(certificate), key=str(key))
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
