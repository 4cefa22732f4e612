"""The private ZooKeeper: found, stopped, restarted, taken over, and never left behind."""

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError

from nodepool_lite.config.settings import Config
from nodepool_lite.config.zookeeper import ZooKeeperServer
from nodepool_lite.model.errors import StoreUnavailableError
from nodepool_lite.store._locks import LockFile, is_held
from nodepool_lite.store._place import Place
from nodepool_lite.store.embedded import EmbeddedZooKeeper
from nodepool_lite.store.open import hosts, open_store
from nodepool_lite.store.zookeeper import ZooKeeperStore
from nodepool_lite.testing import make_node, make_upload
from tests.waiting import eventually

from .waiting import PATIENCE, until

pytestmark = pytest.mark.zookeeper

DAEMON = """
import sys, threading
from pathlib import Path
from nodepool_lite.store.embedded import EmbeddedZooKeeper
server = EmbeddedZooKeeper(Path(sys.argv[1]))
starter = threading.Thread(target=lambda: print(server.start(), server.pid, flush=True))
starter.start()
starter.join()  # the thread that asked for the server ends before the daemon does
sys.stdin.read()
server.stop()
"""

HOLDER = """
import sys
from pathlib import Path
from nodepool_lite.store._locks import LockFile
lock = LockFile(Path(sys.argv[1]))
print(lock.acquire(), flush=True)
sys.stdin.read()
"""

New = Callable[[], EmbeddedZooKeeper]


@pytest.fixture
def new(tmp_path: Path) -> Iterator[New]:
    """Give a function that makes one more server for the state directory of this test."""
    with ExitStack() as stack:

        def made() -> EmbeddedZooKeeper:
            server = EmbeddedZooKeeper(tmp_path)
            stack.callback(server.stop)
            return server

        yield made


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Give another process that runs the server of this test's state directory; its first line says where and which."""
    process = subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        yield process
        process.kill()


def port_of(address: str) -> int:
    """Return the port in what `start` gave."""
    return int(address.partition("?")[0].partition(":")[2])


def ended(pid: int) -> bool:
    """Return whether the process is gone, or only waits to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_the_cli_finds_the_server_of_the_daemon(new: New, tmp_path: Path) -> None:
    """With no servers in the configuration, the store is the one that the daemon runs for the state directory."""
    address = new().start()
    config = Config(state_dir=tmp_path)
    assert hosts(config) == address
    assert address.startswith("127.0.0.1:")
    store = open_store(config, watch=False)
    assert not store.read().nodes
    store.close()


def test_records_and_port_survive_a_restart(new: New, tmp_path: Path) -> None:
    """A stopped server leaves nothing running, and the next one serves the same records at the same address."""
    server = new()
    address = server.start()
    pid = server.pid
    assert pid
    store = open_store(Config(state_dir=tmp_path), watch=False)
    node = store.create(make_node(1))
    store.close()
    server.stop()
    assert ended(pid)
    assert not is_held(Place(tmp_path).server_lock)
    assert new().start() == address
    store = open_store(Config(state_dir=tmp_path), watch=False)
    assert store.read().nodes == {node.id: node}
    store.close()


def test_without_a_daemon_that_is_what_is_said(new: New, tmp_path: Path) -> None:
    """Both before the first start and after a stop, the message says what to start."""
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match=r"no daemon is running here.*nodepool-lite run"):
            open_store(Config(state_dir=tmp_path), watch=False)
        server = new()
        server.start()
        server.stop()


def test_a_port_that_somebody_else_took_is_given_up(new: New, tmp_path: Path) -> None:
    """The server moves to another port, and the CLI follows."""
    server = new()
    first = server.start()
    server.stop()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port_of(first)))
        other.listen()
        second = new().start()
    assert second != first
    assert hosts(Config(state_dir=tmp_path)) == second


def test_only_loopback_is_served(new: New) -> None:
    """Nobody outside of this host can reach the pool's records."""
    port = port_of(new().start())
    with socket.socket() as probe:
        probe.bind(("127.0.0.2", port))  # free, so the server has not taken every address


def test_nobody_without_the_secret_gets_in(new: New, tmp_path: Path) -> None:
    """Other users of the host, and guests that reach its loopback, can neither see nor change anything."""
    address = new().start()
    store = ZooKeeperStore.connect(address, watch=True)
    node = store.create_numbered(make_node())
    store.create(make_upload(1))
    stranger = KazooClient(address.partition("?")[0], auth_data={("digest", "pool:guess")})
    stranger.start()
    attempts: list[Callable[[], object]] = [
        lambda: stranger.create("/new"),
        lambda: stranger.get_children("/"),
        lambda: stranger.get_children("/nodepool-lite/nodes"),
        lambda: stranger.get(f"/nodepool-lite/nodes/{node.id}"),
        lambda: stranger.set(f"/nodepool-lite/nodes/{node.id}", b"{}"),
        lambda: stranger.create(f"/nodepool-lite/uploads/{node.build}/x", b"{}"),
        lambda: stranger.delete(f"/nodepool-lite/nodes/{node.id}"),
    ]
    for attempt in attempts:
        with pytest.raises(NoAuthError):
            attempt()
    stranger.stop()
    stranger.close()
    assert store.snapshot() == store.read()
    assert store.snapshot().nodes == {node.id: node}
    store.close()
    assert stat.S_IMODE(Place(tmp_path).secret.stat().st_mode) == 0o640


@pytest.mark.parametrize("watch", [True, False])
def test_a_client_with_the_wrong_secret_is_told_so(new: New, tmp_path: Path, *, watch: bool) -> None:
    """It never takes a pool that it may not read for an empty one."""
    address = new().start()
    store = ZooKeeperStore.connect(address)
    store.create_numbered(make_node())
    store.close()
    wrong = tmp_path / "wrong"
    wrong.write_text("guess\n")
    with pytest.raises(StoreUnavailableError, match=r"refuses to read.*another secret"):
        ZooKeeperStore.connect(f"{address.partition('?')[0]}?secret={wrong}", watch=watch, timeout=1).read()


def test_a_lost_secret_stops_the_daemon_and_not_the_records(new: New, tmp_path: Path) -> None:
    """A daemon that could not read its own records says so and leaves no server; with the secret all is back."""
    server = new()
    store = ZooKeeperStore.connect(server.start())
    node = store.create_numbered(make_node())
    store.close()
    server.stop()
    secret = Place(tmp_path).secret
    secret.rename(tmp_path / "kept")
    with pytest.raises(StoreUnavailableError, match="another secret"):
        new().start()
    assert not is_held(Place(tmp_path).server_lock)
    (tmp_path / "kept").replace(secret)
    store = ZooKeeperStore.connect(new().start())
    assert store.read().nodes == {node.id: node}
    store.close()


def test_a_state_directory_may_be_named_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path means the same to the daemon, to its server and to the CLI."""
    monkeypatch.chdir(tmp_path)
    server = EmbeddedZooKeeper(Path("state"))
    assert server.start() == hosts(Config(state_dir=Path("state")))
    assert (tmp_path / "state" / "zookeeper" / "data" / "version-2").is_dir()
    server.stop()


def test_a_user_who_may_not_read_the_secret_is_told_so(new: New, tmp_path: Path) -> None:
    """The error names the file and says how to be let in."""
    new().start()
    Place(tmp_path).secret.unlink()
    with pytest.raises(StoreUnavailableError, match=r"for those who can read .*/secret .*or use sudo"):
        open_store(Config(state_dir=tmp_path), watch=False)


def test_a_server_that_dies_is_started_again(new: New, tmp_path: Path) -> None:
    """The daemon's store comes back by itself."""
    server = new()
    server.start()
    pid = server.pid
    assert pid
    store = open_store(Config(state_dir=tmp_path), watch=True)
    os.kill(pid, signal.SIGKILL)
    until(store, lambda: store.connected and server.pid != pid)
    store.close()


def test_two_daemons_share_one_server_and_the_second_takes_over(new: New) -> None:
    """Builder and launcher on one host use the same server, whichever stops first."""
    first, second = new(), new()
    address = first.start()
    assert second.start() == address
    assert first.pid
    assert second.pid is None
    first.stop()
    assert eventually(lambda: second.pid is not None, PATIENCE)
    assert second.pid != first.pid


def test_the_server_dies_with_a_killed_daemon_and_the_next_one_goes_on(
    daemon: subprocess.Popen[str], new: New, tmp_path: Path
) -> None:
    """No server outlives a daemon that was killed, and the next daemon serves the same records at the same address."""
    assert daemon.stdout
    address, pid = daemon.stdout.readline().split()
    store = open_store(Config(state_dir=tmp_path), watch=False)
    node = store.create(make_node(1))
    daemon.kill()
    assert eventually(lambda: ended(int(pid)), PATIENCE)
    assert new().start() == address
    assert eventually(lambda: store.connected, PATIENCE)
    assert store.read().nodes == {node.id: node}
    store.close()


def test_a_daemon_that_ends_stops_its_server(daemon: subprocess.Popen[str]) -> None:
    """An orderly end leaves nothing behind."""
    assert daemon.stdout
    assert daemon.stdin
    _, pid = daemon.stdout.readline().split()
    assert os.getpgid(int(pid)) != os.getpgid(daemon.pid)  # so a Ctrl-C does not reach it before the daemon
    daemon.stdin.close()
    assert daemon.wait(PATIENCE) == 0
    assert ended(int(pid))


def test_a_left_over_server_is_replaced(new: New, tmp_path: Path) -> None:
    """A server whose daemon is gone but which lives on, even one that hangs, makes way for one of our own."""
    server = new()
    address = server.start()
    pid = server.pid
    assert pid
    orphan = _orphan(tmp_path, server)
    assert eventually(lambda: is_held(Place(tmp_path).server_lock), PATIENCE)
    orphan.send_signal(signal.SIGSTOP)
    again = new()
    assert again.start() == address
    assert orphan.wait(PATIENCE) == -signal.SIGKILL
    assert again.pid not in {None, orphan.pid}


def test_a_lock_before_there_is_a_port_is_no_server_yet(tmp_path: Path) -> None:
    """The first daemon looks for left-over servers, and holds their lock meanwhile: nobody is told an address then."""
    place = Place(tmp_path)
    place.directory.mkdir()
    lock = LockFile(place.server_lock)
    assert lock.acquire()
    assert place.address() is None
    place.port_file.write_text("10042\n")
    assert place.address() == f"127.0.0.1:10042?secret={place.secret}"
    lock.release()


def _orphan(state_dir: Path, server: EmbeddedZooKeeper) -> subprocess.Popen[bytes]:
    """Stop the server and run its very command without the daemon that would end it."""
    assert server.pid
    command = Path(f"/proc/{server.pid}/cmdline").read_bytes().decode().split("\0")[:-1]
    server.stop()
    lock = LockFile(Place(state_dir).server_lock)
    assert lock.acquire()
    assert lock.fd is not None
    orphan = subprocess.Popen(command, pass_fds=(lock.fd,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lock.release()
    return orphan


def test_a_reader_of_the_lock_file_is_never_taken_for_the_server(new: New, tmp_path: Path) -> None:
    """Whoever merely has the file open, or even holds the lock, is not ended: the daemon refuses to start instead."""
    server = new()
    server.start()
    server.stop()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(Place(tmp_path).server_lock)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout
        assert holder.stdout.readline() == "True\n"
        with pytest.raises(StoreUnavailableError, match="does not start"):
            new().start(timeout=0.5)
        assert holder.poll() is None
        holder.kill()


@pytest.mark.parametrize("missing", ["java", "setpriv"])
def test_what_is_not_installed_is_named(
    new: New, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """The error says which program is missing and which package brings it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in {"java", "setpriv"} - {missing}:
        (programs / program).symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(StoreUnavailableError, match=rf"needs {missing}.*apt-get install zookeeper"):
        new().start()


@pytest.mark.parametrize("folder", [".", "lib"])
def test_a_zookeeper_that_was_unpacked_somewhere_is_used(
    new: New, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """Where the distribution has no package, the jars below $ZOOKEEPER_HOME serve."""
    home = tmp_path / "apache-zookeeper"
    (home / folder).mkdir(parents=True, exist_ok=True)
    (home / folder / "zookeeper-3.8.0.jar").symlink_to("/usr/share/java/zookeeper.jar")
    monkeypatch.setenv("ZOOKEEPER_HOME", str(home))
    server = new()
    server.start()
    assert str(home / folder / "zookeeper-3.8.0.jar") in Path(f"/proc/{server.pid}/cmdline").read_text()


def test_an_empty_zookeeper_home_is_named(new: New, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that holds no ZooKeeper is said to hold none."""
    monkeypatch.setenv("ZOOKEEPER_HOME", str(tmp_path))
    with pytest.raises(StoreUnavailableError, match=f"ZOOKEEPER_HOME is {tmp_path}, but there is no zookeeper-"):
        new().start()


def test_a_server_that_cannot_start_says_why(new: New, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last words of its log, and where to find the rest, are in the error."""
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-XX:NoSuchFlag")
    with pytest.raises(StoreUnavailableError, match=r"does not start: .*Could not create.*server\.log"):
        new().start(timeout=3)


def test_servers_of_the_configuration_are_taken_as_they_are() -> None:
    """Hosts, ports, IPv6 and chroot come in the form that clients of ZooKeeper use."""
    servers = (
        ZooKeeperServer(host="zk1", chroot="/pools/a/"),
        ZooKeeperServer(host="::1", port=2182, chroot="/pools/a"),
    )
    assert hosts(Config(zookeeper_servers=servers)) == "zk1:2181,[::1]:2182/pools/a"
