"""The namespaces of a run: hosts can be cut off, and nothing is left whatever ends the first process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cloud.conftest import Cloud
from tests.cloud.stack.enclosure import Enclosure
from tests.cloud.stack.place import Place
from tests.program import Program
from tests.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.aside]
ROOT = Path(__file__).parents[2]
PATIENCE = 20.0
INSIDE = """
import socket, subprocess, sys, time
from tests.chaos import enclosure, network
if "--inside" not in sys.argv:
    enclosure.enter("-c", open("/proc/self/cmdline").read().split("\\0")[2])
enclosure.settle_in(int(sys.argv[-1]))
network.lay()
network.add_host("host", 21, {network.RECORDS: "records", network.CLOUD: "cloud"})

def answers(patience):
    try:
        socket.create_connection((network.RECORDS.address(21), 7779), patience).close()
    except OSError as reason:
        return str(reason)
    return "yes"
"""
CUT = """
subprocess.Popen(network.on("host", sys.executable, "-m", "http.server", "7779"), stdout=-3, stderr=-3)
while answers(1) != "yes":
    time.sleep(0.1)
network.cut("host", network.RECORDS)
while_cut = answers(1)
network.mend("host", network.RECORDS)
print(while_cut, answers(5), flush=True)
"""
STAY = """
subprocess.Popen(network.on("host", "sleep", "7778"))
print("there", flush=True)
time.sleep(600)
"""


def begin(scene: str) -> Program[str]:
    """Run a scene in namespaces of its own."""
    return Program([sys.executable, "-c", INSIDE + scene], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def left() -> list[str]:
    """What there is of a run: processes on this host, and its wire in the cloud's network."""
    wires = subprocess.check_output(Enclosure(Place.find()).command("ip", "-o", "link"), text=True)
    found = ["the wire"] if "npl-chaos" in wires else []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().split(b"\0")
        except OSError:
            continue
        found += ["the sleeper"] if words[:2] == [b"sleep", b"7778"] else []
    return found


def test_a_host_that_is_cut_off_is_silent_until_it_is_reachable_again(cloud: Cloud) -> None:
    """Nobody is told: whoever asks waits in vain."""
    with begin(CUT) as scene:
        said, _ = scene.communicate(timeout=PATIENCE)
    assert said.split() == ["timed", "out", "yes"]


def test_nothing_is_left_when_the_first_process_is_killed(cloud: Cloud) -> None:
    """Neither processes nor interfaces, though nobody could remove them."""
    with begin(STAY) as scene:
        assert scene.stdout is not None
        assert scene.stdout.readline() == "there\n"
        eventually(lambda: sorted(left()) == ["the sleeper", "the wire"], PATIENCE)
        os.kill(scene.pid, signal.SIGKILL)
        scene.communicate(timeout=PATIENCE)
    eventually(lambda: left() == [], PATIENCE)
