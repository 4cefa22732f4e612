"""What a pool records in its whole life has nothing secret in it: on a real ZooKeeper, with a real sshd as its node."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nodepool_lite.access.keys import KeyPair, ca_key, new_host_key, pool_key
from nodepool_lite.actions.reach import SshReach
from nodepool_lite.clouds.simulated import SimulatedDriver
from nodepool_lite.config.settings import Config, Diskimage, Label, PoolLabel, Provider, ProviderImage, ProviderPool
from nodepool_lite.model.image import BuildState
from nodepool_lite.model.node import NodeState
from nodepool_lite.model.pool import Pool
from nodepool_lite.service import leases, nodes
from nodepool_lite.service.grab import Wish, grab_now
from nodepool_lite.store._access import Access
from nodepool_lite.store._tree import Read
from nodepool_lite.store._wire import ReadBatch
from nodepool_lite.store.memory import MemoryStore
from nodepool_lite.store.zookeeper import ZooKeeperStore
from nodepool_lite.testing import LABEL
from tests.access.guest import Guest
from tests.daemon.booting import KEYS, BootingDriver
from tests.secured import PASSWORD, Secured, auth
from tests.world import POOL_ID, SimulatedReach, World

pytestmark = pytest.mark.zookeeper

TOKEN, ENV_PASSWORD, USERDATA = "token-8f3a61", "hunter2-of-the-build", "userdata-51c0ffee"
SCRIPT = """\
#!/bin/bash -x
echo "::step:: logging in with $NODEPOOL_TOKEN"
sleep 0.2
[ -e /etc/broken ] && echo "the server refuses $NODEPOOL_TOKEN" && exit 1
exit 0
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A configuration with secrets in every place that may hold one."""
    label = PoolLabel(name=LABEL, diskimage=LABEL, userdata=f"#cloud-config\npassword: {USERDATA}\n")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "prepare.sh").write_text(SCRIPT)
    return Config(
        state_dir=tmp_path / "state",
        scripts_dir=(tmp_path / "scripts",),
        zookeeper_auth=auth("sasl"),
        labels=(Label(name=LABEL, min_ready=1, ready_script="prepare.sh"),),
        diskimages=(Diskimage(name=LABEL, elements=("nodepool-firstboot",), env_vars={"DIB_PASSWORD": ENV_PASSWORD}),),
        providers=(
            Provider(
                name="local",
                driver="simulated",
                diskimages=(ProviderImage(name=LABEL),),
                pools=(ProviderPool(max_servers=1, labels=(label,)),),
            ),
        ),
    )


@pytest.fixture
def guest(tmp_path: Path, config: Config) -> Iterator[Guest]:
    """The one machine that there is, which lets the pool in."""
    guest = Guest.make(tmp_path, pool_key(config))
    yield guest
    guest.remove()


@pytest.fixture
def store(secured_zookeeper: Secured, zookeeper_root: str) -> Iterator[ZooKeeperStore]:
    """The records of this pool, for those who know the password."""
    access = Access(secured_zookeeper.tls, auth("sasl"))
    store = ZooKeeperStore.connect(secured_zookeeper.encrypted, root=zookeeper_root, access=access, watch=True)
    yield store
    store.close()


class Dump:
    """Everything that was found in ZooKeeper at any look: paths and data of all znodes, not ours alone."""

    def __init__(self, store: ZooKeeperStore) -> None:
        self._store = store
        self.seen: set[tuple[str, bytes]] = set()

    def look(self, path: str = "/") -> None:
        """Add what there is now."""
        link = self._store._feed.link
        (names, znode) = link.ask(ReadBatch([Read(path, children=True), Read(path)]))
        if isinstance(names, tuple) and hasattr(znode, "data"):
            self.seen.add((path, znode.data))
            for name in names:
                if path != "/" or name != "zookeeper":
                    self.look(f"{path.rstrip('/')}/{name}")

    def text(self) -> str:
        """Return all of it."""
        return "\n".join(f"{path} {data.decode()}" for path, data in self.seen)


def pool(config: Config, guest: Guest, store: ZooKeeperStore) -> World:
    """Return a pool whose launcher works on the real store, logs in for real, and has a secret in its environment."""
    world = World(config, config.state_dir / "images", address="127.0.0.1", port=guest.port)
    ca = ca_key(config.state_dir).public
    store.create(Pool(id="self", pool_id=POOL_ID, created=world.clock.now(), ca_public_key=ca))

    def wire(part: Any) -> Any:
        match part:
            case MemoryStore():
                return store
            case SimulatedDriver():
                return BootingDriver(world.cloud, POOL_ID, guest)
            case SimulatedReach():
                return SshReach(lambda: config, pool_key(config), ca, world.clock)
        return part

    world.launcher = world.start("launcher-2", wire=wire)
    world.launcher.ctx.environment = {"NODEPOOL_TOKEN": TOKEN, "NODEPOOL_PLACE": "here"}
    return world


def lines_of(key: str) -> list[str]:
    """Return what would give a private key away; the first two lines between the marks may hold its public half."""
    return [line.strip() for line in key.strip().splitlines()[3:-1]]


def test_no_znode_has_anything_secret(config: Config, guest: Guest, store: ZooKeeperStore) -> None:
    """Builds that fail and succeed, nodes that fail and are used, leases: whatever is recorded, anybody may read.

    Looked for is each line of every private key, and each secret word of the configuration and the environment.
    """
    world, dump = pool(config, guest, store), Dump(store)

    def until(condition: Any) -> None:
        for _ in range(600):
            world.run(0.5, step=0.5)
            dump.look()
            if condition(store.snapshot()):
                return
        raise AssertionError("it did not come to be")

    world.broken_images[LABEL] = f"curl: (22) https://me:{ENV_PASSWORD}@example.org said 403"
    until(lambda seen: any(each.state is BuildState.FAILED for each in seen.builds.values()))
    world.broken_images.clear()
    guest.do("touch /etc/broken")
    until(lambda seen: any(each.state is NodeState.FAILED for each in seen.nodes.values()))
    guest.do("rm /etc/broken")
    until(lambda seen: any(each.state is NodeState.READY for each in seen.nodes.values()))
    set_key = guest.do("cat /etc/nodepool/id_rsa")
    user = new_host_key()
    lease = grab_now(store, config, world.clock, Wish(LABEL, owner="alice", public_key=user.public))
    assert lease is not None
    until(lambda seen: bool(seen.leases[lease.id].certificates))
    nodes.hold(store, config, lease.nodes[0], reason="to look at", who="alice", now=world.clock.now())
    until(lambda seen: any(each.state is NodeState.HOLD for each in seen.nodes.values()))
    leases.release(store, lease.id, "alice", world.clock.now())
    nodes.unhold(store, lease.nodes[0], who="alice", now=world.clock.now())
    until(lambda seen: lease.nodes[0] not in seen.nodes)

    text = dump.text()
    assert "the server refuses ********" in text
    assert lease.id in text
    user_data = [each.user_data for each in world.cloud.asked]
    assert len(user_data) >= 3
    keys: list[KeyPair] = [pool_key(config), ca_key(config.state_dir), user]
    words = [PASSWORD, TOKEN, ENV_PASSWORD, USERDATA]
    for secret in (*(each.private_openssh for each in keys), set_key):
        words += lines_of(secret)
    for each in user_data:
        assert USERDATA in each
        (host_key,) = KEYS.findall(each)
        words += lines_of(host_key)
    assert len(words) > 40
    assert [word for word in words if word in text] == []
