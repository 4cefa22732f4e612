"""ZooKeeper with TLS and authentication: whom it lets in, for whom records are, and what is said when it refuses."""

import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError
from kazoo.security import ACL, OPEN_ACL_UNSAFE

from nodepool_lite.config.zookeeper import ZooKeeperTls
from nodepool_lite.model.errors import ConfigError, NodepoolError, StoreUnavailableError
from nodepool_lite.model.pool import Leader
from nodepool_lite.store._access import OPEN, Access
from nodepool_lite.store._tree import Read
from nodepool_lite.store._wire import Guarded, ReadBatch
from nodepool_lite.store.base import Write
from nodepool_lite.store.zookeeper import ZooKeeperStore
from nodepool_lite.testing import make_build, make_node, make_upload
from tests.authority import Authority
from tests.relay import relay
from tests.secured import USERNAME, Secured, auth, start, stop

from .waiting import until, until_seen

pytestmark = pytest.mark.zookeeper

SOON = 7.0
"""Seconds within which a command knows: 5 are promised, on a machine that is not busy."""


@pytest.fixture(params=["digest", "sasl"])
def ours(request: pytest.FixtureRequest, secured_zookeeper: Secured) -> Access:
    """Say who we are, in each way."""
    return Access(secured_zookeeper.tls, auth(request.param))


def acls(store: ZooKeeperStore, path: str) -> dict[str, list[ACL]]:
    """Return who may do what with each znode from a path on."""
    found = {path: store._feed.link.ask(Guarded(path))[0]}
    (children,) = store._feed.link.ask(ReadBatch([Read(path, children=True)]))
    for child in children:
        found |= acls(store, f"{path}/{child}")
    return found


def some_records(store: ZooKeeperStore) -> None:
    """Make records of all sorts: numbered, ephemeral, in folders of their own."""
    store.create_numbered(make_node())
    store.create_numbered(make_build(), "debian-12")
    store.create(make_upload(1))
    store.create(Leader(id="provider/local", holder="me"))


def refused(secured: Secured, access: Access, *, port: int = 0, host: str = "localhost") -> str:
    """Return what is said to a client that does not get in, which is said soon and without a traceback."""
    began = time.monotonic()
    with pytest.raises(NodepoolError) as caught:
        ZooKeeperStore.connect(f"{host}:{port or secured.secure_port}", access=access, timeout=4.0)
    assert time.monotonic() - began < SOON
    return str(caught.value)


def look(stack: ExitStack, secured: Secured, root: str, access: Access, *, watch: bool) -> None:
    """Connect without TLS and read everything, or fail at either."""
    store = ZooKeeperStore.connect(secured.plain, root=root, access=access, watch=watch)
    stack.callback(store.close)
    store.read()


def test_every_znode_of_ours_is_for_us_alone(secured_zookeeper: Secured, zookeeper_root: str, ours: Access) -> None:
    """Folders and records, kept and ephemeral, have one entry: us, everything. What is above the chroot is shared."""
    store = ZooKeeperStore.connect(f"{secured_zookeeper.encrypted}{zookeeper_root}/one", access=ours)
    some_records(store)
    found = acls(store, zookeeper_root)
    shared, home = list(found)[:2]
    assert (shared, home) == (zookeeper_root, f"{zookeeper_root}/one")
    assert found.pop(shared) == OPEN_ACL_UNSAFE
    assert len(found) == 14
    assert {tuple(each) for each in found.values()} == {tuple(ours.acl)}
    store.close()


def test_a_pool_that_was_made_for_everybody_is_closed(
    secured_zookeeper: Secured, zookeeper_root: str, ours: Access
) -> None:
    """Every znode becomes ours alone, once; what others keep beside it is left as it is."""
    place = f"{secured_zookeeper.encrypted}{zookeeper_root}"
    before = ZooKeeperStore.connect(place, access=Access(secured_zookeeper.tls))
    some_records(before)
    store = ZooKeeperStore.connect(place, access=ours)
    assert not store.sealed
    assert store.seal() == 13
    assert store.sealed
    assert store.seal() == 0
    assert store.read().nodes
    found = acls(store, zookeeper_root)
    assert found.pop(zookeeper_root) == OPEN_ACL_UNSAFE
    assert {tuple(each) for each in found.values()} == {tuple(ours.acl)}
    for each in (store, before):
        each.close()


def test_a_pool_that_does_not_exist_yet_needs_no_closing(
    secured_zookeeper: Secured, zookeeper_root: str, ours: Access
) -> None:
    """Its znodes will be ours from the first on."""
    store = ZooKeeperStore.connect(secured_zookeeper.encrypted, root=zookeeper_root, access=ours)
    assert store.seal() == 0
    store.close()


def test_without_authentication_records_are_for_everybody(zookeeper_root: str, secured_zookeeper: Secured) -> None:
    """Nothing is closed that nobody asked to close; a certificate alone makes nobody an owner."""
    alice = ZooKeeperStore.connect(secured_zookeeper.plain, root=zookeeper_root)
    bob = ZooKeeperStore.connect(secured_zookeeper.encrypted, root=zookeeper_root, access=Access(secured_zookeeper.tls))
    some_records(bob)
    assert alice.read() == bob.read()
    for store in (alice, bob):
        store.close()


@pytest.mark.parametrize("watch", [True, False])
def test_others_can_neither_read_nor_write(
    secured_zookeeper: Secured, zookeeper_root: str, ours: Access, *, watch: bool
) -> None:
    """Whoever is nobody, or somebody else, is told what to look at, and never sees an empty pool."""
    store = ZooKeeperStore.connect(secured_zookeeper.encrypted, root=zookeeper_root, access=ours)
    some_records(store)
    for access, hint in (
        (OPEN, "give nodepool.yaml the pool's `zookeeper-auth`"),
        (Access(auth=auth("digest", password="wrong")), "digest user nodepool with the password of `zookeeper-auth`"),
    ):
        with ExitStack() as stack, pytest.raises(StoreUnavailableError, match=hint):
            look(stack, secured_zookeeper, zookeeper_root, access, watch=watch)
    raw = KazooClient(secured_zookeeper.plain)
    raw.start()
    for attempt in (lambda: raw.get(zookeeper_root), lambda: raw.create(f"{zookeeper_root}/nodes/0000000007", b"{}")):
        with pytest.raises(NoAuthError):
            attempt()
    raw.stop()
    raw.close()
    store.close()


def test_an_unknown_authority_is_named(secured_zookeeper: Secured, tmp_path: Path) -> None:
    """So is the file with those that are known, and the key to change."""
    other = Authority(tmp_path, "other").ca
    said = refused(secured_zookeeper, Access(secured_zookeeper.tls.but(ca=other)))
    where = f"ZooKeeper at {secured_zookeeper.encrypted}"
    assert said.startswith(f"the certificate of {where} is not signed by an authority in {other} (")
    assert said.endswith("name the file of the one that signed it as `ca` in `zookeeper-tls`")


def test_a_certificate_for_another_name_is_refused_unless_told_otherwise(secured_zookeeper: Secured) -> None:
    """Whoever holds any certificate of the authority cannot pass for the server."""
    said = refused(secured_zookeeper, Access(secured_zookeeper.tls), host="127.0.0.1")
    assert "is for another name (IP address mismatch, certificate is not valid for '127.0.0.1')" in said
    assert "`check-hostname: false`" in said
    lax = Access(secured_zookeeper.tls.but(check_hostname=False))
    ZooKeeperStore.connect(f"127.0.0.1:{secured_zookeeper.secure_port}", access=lax).close()


def test_a_server_whose_certificate_has_expired_is_named(secured_zookeeper: Secured) -> None:
    """It may also be the clock."""
    expired = secured_zookeeper.authority.sign("expired-server", "localhost", days=-2)
    with relay(expired, secured_zookeeper.port) as port:
        said = refused(secured_zookeeper, Access(secured_zookeeper.tls), port=port)
    assert f"the certificate of ZooKeeper at localhost:{port} is out of date (certificate has expired)" in said


def test_a_client_without_a_certificate_is_told_to_have_one(secured_zookeeper: Secured) -> None:
    """The server asks for one."""
    said = refused(secured_zookeeper, Access(ZooKeeperTls(ca=secured_zookeeper.authority.ca)))
    assert f"ZooKeeper at {secured_zookeeper.encrypted} asks for a certificate (" in said
    assert "`cert` and `key` in `zookeeper-tls`" in said


@pytest.mark.parametrize("kind", ["foreign", "expired"])
def test_a_certificate_that_the_server_refuses_is_named(secured_zookeeper: Secured, tmp_path: Path, kind: str) -> None:
    """Signed by nobody it trusts, or too old."""
    foreign = kind == "foreign"
    files = Authority(tmp_path).sign("client") if foreign else secured_zookeeper.authority.sign("old", days=-2)
    tls = ZooKeeperTls(ca=secured_zookeeper.authority.ca, cert=files.cert, key=files.key)
    said = refused(secured_zookeeper, Access(tls))
    assert f"ZooKeeper at {secured_zookeeper.encrypted} refuses our certificate {files.cert} (" in said


@pytest.mark.parametrize(("username", "password"), [(USERNAME, "wrong"), ("nobody", "wrong")])
def test_a_wrong_sasl_password_is_named(secured_zookeeper: Secured, username: str, password: str) -> None:
    """So is a user that the server does not know, with the key to look at and without the password."""
    said = refused(secured_zookeeper, Access(secured_zookeeper.tls, auth("sasl", username, password)))
    assert f"ZooKeeper at {secured_zookeeper.encrypted} refuses the sasl user {username} (" in said
    assert "`zookeeper-auth` has the password that the servers know" in said
    assert password not in said


def test_tls_at_a_port_without_it_is_named(secured_zookeeper: Secured) -> None:
    """The port is the likely mistake."""
    said = refused(secured_zookeeper, Access(secured_zookeeper.tls), port=secured_zookeeper.port)
    assert f"ZooKeeper at localhost:{secured_zookeeper.port}" in said
    assert "`secureClientPort`" in said


def test_no_tls_at_a_port_that_wants_it_is_guessed(secured_zookeeper: Secured) -> None:
    """The server only hangs up, so it may be something else, too."""
    said = refused(secured_zookeeper, OPEN)
    assert f"ZooKeeper at {secured_zookeeper.encrypted} closes the connection" in said
    assert "its port wants TLS (`zookeeper-tls`)" in said


def test_files_that_cannot_be_used_are_configuration_errors(secured_zookeeper: Secured, tmp_path: Path) -> None:
    """Missing, no PEM, of another certificate, with a passphrase: each says which key of the file to correct."""
    good, other = secured_zookeeper.tls, secured_zookeeper.authority.sign("other")
    garbage, locked = tmp_path / "garbage.pem", tmp_path / "locked.pem"
    garbage.write_text("no certificate")
    key = serialization.load_pem_private_key(other.key.read_bytes(), None)
    locked.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
        )
    )
    for change, message in (
        ({"ca": tmp_path / "none"}, f"`ca` of `zookeeper-tls`: {tmp_path}/none cannot be read: No such file"),
        ({"key": tmp_path}, f"`key` of `zookeeper-tls`: {tmp_path} cannot be read: Is a directory"),
        ({"ca": garbage}, f"`ca` of `zookeeper-tls`: {garbage} holds no certificates"),
        ({"key": other.key}, f"{good.cert} and {other.key} are no certificate with its private key"),
        ({"cert": garbage}, f"{garbage} and {good.key} are no certificate with its private key"),
        ({"cert": other.cert, "key": locked}, "the key has a passphrase"),
    ):
        with pytest.raises(ConfigError) as caught:
            ZooKeeperStore.connect(secured_zookeeper.encrypted, access=Access(good.but(**change)))
        assert message in str(caught.value)


def test_a_password_at_servers_without_users_is_told(tmp_path: Path) -> None:
    """SASL needs servers that are set up for it."""
    secured, process = start(tmp_path, users=False)
    said = refused(secured, Access(secured.tls, auth("sasl")))
    stop(process)
    assert "refuses the sasl user nodepool" in said
    assert "that they know the scheme sasl" in said


def test_a_store_gets_in_once_what_was_wrong_is_mended(
    secured_zookeeper: Secured, zookeeper_root: str, tmp_path: Path
) -> None:
    """Certificates are read anew for each connection, so a daemon need not be started again when they are renewed."""
    old, new = secured_zookeeper.authority.sign("renewed", days=-2), secured_zookeeper.client
    tls = ZooKeeperTls(ca=secured_zookeeper.authority.ca, cert=old.both)
    store = ZooKeeperStore(secured_zookeeper.encrypted, root=zookeeper_root, access=Access(tls, auth("sasl")))
    store.start()
    assert not store.wait(SOON)
    assert f"refuses our certificate {old.both}" in store.problem
    old.both.write_bytes(new.both.read_bytes())
    until(store, lambda: store.connected)
    assert store.problem == ""
    store.close()


def test_what_was_decrypted_together_is_read_together(secured_zookeeper: Secured, zookeeper_root: str) -> None:
    """Whoever does the TLS may put many messages into one record; none of them waits for the next heartbeat."""
    user = auth("sasl")
    writer = ZooKeeperStore.connect(secured_zookeeper.plain, root=zookeeper_root, access=Access(auth=user))
    writer.create(make_node(999))
    with relay(secured_zookeeper.authority.sign("relay", "localhost"), secured_zookeeper.port) as port:
        tls = ZooKeeperTls(ca=secured_zookeeper.authority.ca)
        reader = ZooKeeperStore.connect(
            f"localhost:{port}", root=zookeeper_root, access=Access(tls, user), session_timeout=40.0, watch=True
        )
        writer.transact([Write("create", make_node(number)) for number in range(50)])
        until_seen(reader, lambda seen: len(seen.nodes) == 51, patience=10.0)  # the next heartbeat is after 13 s
        reader.close()
    writer.close()
