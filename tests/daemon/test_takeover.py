"""Two launchers as processes on a real ZooKeeper: one dies or stops, and the other goes on with the same nodes."""

import itertools
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nodepool_lite.access.keys import ca_key, pool_key
from nodepool_lite.clouds.simulated import SimulatedCloud, SimulatedOptions
from nodepool_lite.config.settings import Config
from nodepool_lite.model.clock import SystemClock
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.store.base import Snapshot
from nodepool_lite.store.zookeeper import ZooKeeperStore
from tests.access.guest import Guest
from tests.daemon.booting import BootingDriver
from tests.daemon.hub import serving
from tests.machine.pool import CLEAN
from tests.store.waiting import until_seen

pytestmark = pytest.mark.zookeeper

SESSION = 5.0
"""Seconds of silence after which these launchers count as dead."""
PROMPT = 1.5
"""Seconds that count as at once, on a machine that is busy."""
FOR_EVER = 1e6
PATIENCE = 60.0
LEADS = "provider/local"

CONFIG = """\
state-dir: {state}
scripts-dir: {scripts}
zookeeper-servers: [{{host: 127.0.0.1, port: {port}, chroot: {root}}}]
zookeeper-timeout: {session}
labels: [{{name: debian-12, min-ready: 1, ready-script: prepare.sh}}]
providers:
  - name: local
    driver: simulated
    boot-timeout: 60
    cloud-images: [{{name: debian, image-id: img}}]
    pools:
      - {{max-servers: 2, labels: [{{name: debian-12, cloud-image: debian}}]}}
"""
SCRIPT = """\
#!/bin/sh
echo started >> /home/jenkins/runs
echo "::step:: waiting"
while [ -e /home/jenkins/wait ]; do sleep 0.1; done
"""


@dataclass
class Launcher:
    """One process, and how it is known to the others."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def leads(self, records: Snapshot) -> bool:
        """Return whether it drives the provider."""
        leader = records.leaders.get(LEADS)
        return leader is not None and leader.holder.partition("/")[0].endswith(f"-{self.process.pid}")


@dataclass
class Pair:
    """Launchers on hosts of their own, at most two at a time; one cloud, one machine, and a watching client."""

    store: ZooKeeperStore
    cloud: SimulatedCloud
    guest: Guest
    start: Callable[[], Launcher]
    launchers: list[Launcher] = field(default_factory=list)

    def seen(self, condition: Callable[[Snapshot], bool]) -> Snapshot:
        """Return the first view for which the condition holds."""
        return until_seen(self.store, condition, PATIENCE)

    def cloud_comes_to(self, condition: Callable[[], bool]) -> None:
        """Return when the condition holds in the cloud, which tells nobody of its changes."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "it did not come to be in time"
            time.sleep(0.02)

    def node(self, *states: NodeState) -> Node:
        """Return the first node that is in one of these states."""
        return next(
            each for each in self.seen(lambda seen: bool(_in(seen, states))).nodes.values() if each.state in states
        )

    def leader(self) -> Launcher:
        """Return the one that drives the provider."""
        records = self.seen(lambda seen: any(each.leads(seen) for each in self.launchers))
        return next(each for each in self.launchers if each.leads(records))

    def end(self, sign: signal.Signals) -> float:
        """End the one that leads, and return the seconds until the other one does."""
        leader = self.leader()
        self.launchers.remove(leader)
        (other,) = self.launchers
        leader.process.send_signal(sign)
        began = time.monotonic()
        self.seen(other.leads)
        taken = time.monotonic() - began
        leader.process.wait(CLEAN)
        assert leader.process.returncode == (0 if sign is signal.SIGTERM else -signal.SIGKILL), leader.log.read_text()
        print(f"{sign.name}: the other one led after {taken:.2f} s")  # noqa: T201 - pytest shows it with a failure
        return taken

    def change_hands(self) -> None:
        """Stop the one that leads, and kill the one that takes over: a third one has it in the end."""
        self.start()
        assert self.end(signal.SIGTERM) < PROMPT
        self.start()
        assert self.end(signal.SIGKILL) < SESSION + PROMPT


def _in(records: Snapshot, states: tuple[NodeState, ...]) -> list[Node]:
    return [each for each in records.nodes.values() if each.state in states]


@pytest.fixture
def pair(tmp_path: Path, zookeeper_hosts: str, zookeeper_root: str, request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Give a pool whose launchers a test starts and ends; `(session, boot time)` may be chosen."""
    session, boot_time = getattr(request, "param", (SESSION, 0.0))
    key = pool_key(Config(state_dir=tmp_path / "host-0"))
    ca_key(tmp_path / "host-0")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "prepare.sh").write_text(SCRIPT)
    with ExitStack() as stack:
        guest = Guest.make(tmp_path, key)
        stack.callback(guest.remove)
        options = SimulatedOptions(
            images=("img",), address="127.0.0.1", port=guest.port, delete_time=FOR_EVER, boot_time=boot_time
        )
        cloud = SimulatedCloud(SystemClock(), options)
        stack.enter_context(serving(tmp_path / "hub", lambda pool_id: BootingDriver(cloud, pool_id, guest)))
        store = ZooKeeperStore.connect(f"{zookeeper_hosts}{zookeeper_root}", watch=True)
        stack.callback(store.close)

        numbers = itertools.count()

        def start() -> Launcher:
            host = tmp_path / f"host-{next(numbers)}"
            if not host.exists():
                shutil.copytree(tmp_path / "host-0" / "ssh", host / "ssh")
            config = tmp_path / f"{host.name}.yaml"
            config.write_text(
                CONFIG.format(
                    state=host,
                    scripts=tmp_path / "scripts",
                    port=zookeeper_hosts.partition(":")[2],
                    root=zookeeper_root,
                    session=session,
                )
            )
            log = tmp_path / f"{host.name}.log"
            with log.open("ab") as file:
                process = subprocess.Popen(
                    [sys.executable, "-m", "tests.daemon.member", config, tmp_path / "hub"], stdout=file, stderr=file
                )
            stack.callback(process.wait)
            stack.callback(process.kill)
            launcher = Launcher(process, log)
            found.launchers.append(launcher)
            count = len(found.launchers)
            found.seen(lambda seen: len(seen.members) == count)
            return launcher

        found = Pair(store, cloud, guest, start)
        yield found


@pytest.mark.parametrize("pair", [(SESSION, FOR_EVER)], indirect=True)
def test_a_node_that_waits_for_its_server_is_waited_for(pair: Pair) -> None:
    """The server that was asked for is the one that becomes ready; no second one is."""
    pair.start()
    node = pair.node(NodeState.BUILDING)
    pair.cloud_comes_to(lambda: bool(pair.cloud.servers()))
    pair.change_hands()
    for server in pair.cloud.servers():
        pair.cloud._change(server, active_at=0.0)
    ready = pair.node(NodeState.READY)
    assert (ready.id, ready.attempt, len(pair.cloud.asked)) == (node.id, pair.cloud.asked[0].attempt, 1)


def test_a_node_that_does_not_let_in_yet_is_tried_again(pair: Pair) -> None:
    """Its sshd comes up after two launchers have gone; the first of them went in the middle of a login."""
    pair.guest.freeze()
    pair.start()
    node = pair.node(NodeState.TESTING)
    pair.change_hands()
    pair.guest.thaw()
    assert pair.node(NodeState.READY).id == node.id
    assert len(pair.cloud.asked) == 1


def test_a_running_ready_script_is_taken_up_and_not_started_again(pair: Pair) -> None:
    """It goes on by itself, and whoever leads then sees its end."""
    pair.guest.do("touch /home/jenkins/wait")
    pair.start()
    node = pair.node(NodeState.PREPARING)
    pair.seen(lambda seen: bool(seen.nodes[node.id].script and seen.nodes[node.id].script.step))
    pair.change_hands()
    pair.guest.do("rm /home/jenkins/wait")
    assert pair.node(NodeState.READY).id == node.id
    assert pair.guest.do("cat /home/jenkins/runs") == "started\n"


def test_a_node_on_its_way_out_goes_all_the_way(pair: Pair) -> None:
    """Its record goes when its server has, and another node comes."""
    pair.start()
    node = pair.node(NodeState.READY)
    pair.store.update(node.to(NodeState.DELETING, time.time(), "by a test"))
    pair.cloud_comes_to(lambda: pair.cloud.servers()[node.server_id or ""].delete_asked is not None)
    pair.change_hands()
    pair.cloud.vanish(node.server_id or "")
    pair.seen(lambda seen: node.id not in seen.nodes)
    assert pair.node(NodeState.READY).id != node.id


def test_ready_nodes_are_left_alone_by_a_stop_and_a_start(pair: Pair) -> None:
    """With nobody there in between; the stop takes no longer than it may."""
    launcher = pair.start()
    node = pair.node(NodeState.READY)
    began = time.monotonic()
    launcher.process.send_signal(signal.SIGTERM)
    assert launcher.process.wait(CLEAN) == 0
    print(f"stopped after {time.monotonic() - began:.2f} s")  # noqa: T201 - pytest shows it with a failure
    records = pair.seen(lambda seen: not seen.leaders and not seen.members)
    assert records.nodes == {node.id: node}
    pair.launchers.clear()
    pair.start()
    pair.leader()
    pair.guest.do("sleep 1")  # in which it lists servers several times
    assert pair.store.snapshot().nodes == {node.id: node}
    assert len(pair.cloud.asked) == 1


@pytest.mark.parametrize("pair", [(10.0, 0.0)], indirect=True)
def test_a_launcher_that_is_killed_is_replaced_within_the_default_time_out(pair: Pair) -> None:
    """Ten seconds, on a ZooKeeper that looks for ended sessions every two seconds, as it does by default."""
    pair.start()
    pair.node(NodeState.READY)
    pair.start()
    assert pair.end(signal.SIGKILL) < 10.0 + PROMPT / 3
