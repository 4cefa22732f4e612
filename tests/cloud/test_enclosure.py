"""The cloud's namespaces and processes begin and end as the commands say, shown without any OpenStack."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cloud.stack.place import CloudError, Place
from tests.cloud.stack.process import Process, Service, Services

pytestmark = pytest.mark.cloud
ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Give an empty place with a short path."""
    place = Place(tmp_path_factory.mktemp("c"))
    place.make()
    return place


@pytest.fixture
def services(place: Place) -> Services:
    """Give services without namespaces."""
    return Services(place)


def test_a_service_is_started_once_and_ended_though_it_will_not_listen(services: Services) -> None:
    """It is asked at first, and killed when it does not go."""
    deaf = Service(
        "deaf", (sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(99)")
    )
    services.start(deaf)
    first = services.process("deaf")
    services.start(deaf)
    assert first is not None
    assert services.process("deaf") == first
    services.stop("deaf", signal.SIGKILL)
    assert not first.alive


def test_a_process_that_got_a_recorded_number_later_is_another_one(place: Place, services: Services) -> None:
    """Numbers are used again; we end nobody else's process."""
    Process(os.getpid(), ticks=1, since=0.0).save(place.run / "ghost.process")
    assert services.process("ghost") is None
    services.stop("ghost")


def test_a_service_that_dies_is_reported_with_its_last_words(services: Services) -> None:
    """Whoever starts the cloud sees why it does not start, whether it died before it was looked at or after."""
    broken = Service("broken", ("sh", "-c", "echo no such database; exit 1"), lambda: False)

    def run() -> None:
        services.start(broken)
        services.wait(broken)

    with pytest.raises(CloudError, match=r"(?s)broken: (died; see|ended at once).*no such database"):
        run()


def test_a_home_that_is_too_long_for_sockets_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of half of the services failing to listen."""
    monkeypatch.setenv("NODEPOOL_TEST_CLOUD", "/var/tmp/" + "x" * 80)
    with pytest.raises(CloudError, match="set NODEPOOL_TEST_CLOUD to a shorter one"):
        Place.find()


SCENE = """
import socket, subprocess, sys, time
from pathlib import Path
from tests.cloud.stack.enclosure import Enclosure
from tests.cloud.stack.place import Place

def wires():
    return [name for _, name in socket.if_nameindex() if name.startswith("npl-")]

def sleepers():
    files = Path("/proc").glob("[0-9]*/cmdline")
    return [file for file in files if file.read_bytes().split(b"\\0")[:2] == [b"sleep", b"7777"]]

enclosure = Enclosure(Place(Path(sys.argv[1])))
enclosure.create()
subprocess.run(enclosure.command("sh", "-c", "ip link add br0 type bridge; setsid sleep 7777 &"), check=True)
while not sleepers():
    time.sleep(0.1)
assert len(wires()) == 3, wires()
guest = subprocess.Popen(["nsenter", "--target", str(enclosure.process.pid), "--net", "sleep", "8888"])
while Path(f"/proc/{guest.pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink():
    time.sleep(0.1)
enclosure.destroy()
enclosure.destroy()
assert enclosure.process is None and not wires() and not sleepers(), (wires(), sleepers())
"""
APART = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
"""A network apart from a cloud that may run, and processes that end with the test however it ends."""


@pytest.mark.cloud
def test_ending_the_namespaces_ends_everything_in_them(place: Place) -> None:
    """Daemons that left their session are gone, and so are interfaces, though somebody still looks at the network."""
    command = [*APART, sys.executable, "-c", SCENE, str(place.home)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
