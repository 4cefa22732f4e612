"""Whatever is typed where a name, a text or a span of time is expected: an answer, and no traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

from nodepool_lite.model.lease import LeaseState
from nodepool_lite.model.node import NodeState
from nodepool_lite.testing import make_lease, make_node

from .conftest import Desk, RealPool

ODD = (
    "",
    " ",
    "-x",
    "$(reboot)",
    "; reboot",
    "a\nb",
    "\x1b[31m red",
    "\udcff",
    "ä²\u202e",
    "x" * 5000,
    "../../etc/passwd",
    "a/b",
    "9" * 30,
    "%s{}'\"`",
)
COMMANDS = (
    "grab ?",
    "grab debian-12 --no-wait --reason ?",
    "grab debian-12 --no-wait --lifetime ?",
    "grab debian-12 --no-wait --public-key ?",
    "ssh ?",
    "release ?",
    "extend ? 1h",
    "extend abcd2345 ?",
    "show ?",
    "logs ?",
    "list --column ?",
    "list -f ?",
    "delete ?",
    "hold 1 --reason ?",
    "hold 1 --reason x --for ?",
    "unhold ?",
    "image-build ?",
    "image-upload ? ?",
    "image-log ?",
    "dib-image-delete ?",
    "image-delete ?",
    "config check ?",
    "config convert ?",
    "config show ?",
    "grab debian-12 --no-wait --count ?",
    "leases --column ?",
    "leases -f ?",
    "label-list -f ?",
    "provider-list -f ?",
    "image-list --column ?",
    "dib-image-list --column ?",
    "completion ?",
    "test-day ?",
    "test-day debian-12 --public-key ?",
    "doctor ?",
    "stop-host ?",
    "run --log-level ?",
    "status -f ?",
    "progress ?",
    "progress debian-12 --wait ?",
    "alien-list --column ?",
    "alien-list -f ?",
    "?",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_odd_words_get_an_answer(desk: Desk, command: str) -> None:
    """One of the exit statuses that are documented; and nothing that a terminal would obey."""
    desk.store.create(make_node(1))
    desk.store.create(make_node(2, state=NodeState.IN_USE, lease="abcd2345"))
    desk.store.create(make_lease("abcd2345", state=LeaseState.ACTIVE, nodes=("0000000002",)))
    for odd in ODD:
        if odd == "\udcff" and command == "config check ?":
            continue  # only the program's own stdout takes it: see below
        result = desk.run(*(odd if word == "?" else word for word in command.split()))
        assert result.exit_code in {0, 1, 2, 3, 4, 78}, (odd, result.output)
        assert "this is a bug" not in result.output, (odd, result.output)
        assert isinstance(result.exception, SystemExit | None), odd


def test_what_is_told_of_an_odd_reason_is_fit_for_a_terminal(desk: Desk) -> None:
    """In lists, on the pages of nodes and leases, and for programs."""
    desk.store.create(make_node(1))
    lease = desk.out("grab", "debian-12", "--reason", "\x1b[31m\nred", "-f", "value").strip()
    for command in (("leases",), ("show", lease), ("show", "1"), ("list", "--detail"), ("leases", "-f", "csv")):
        assert "\x1b" not in desk.out(*command)
    assert [each["Reason"] for each in desk.json("leases")] == ["\x1b[31m\nred"]


def test_records_with_impossible_times_can_be_shown(desk: Desk) -> None:
    """Whatever somebody wrote into them."""
    desk.store.create(make_node(1, since=1e300, history=()))
    desk.store.create(make_node(2, since=-1e300, hold_until=1e30))
    desk.store.create(make_lease("abcd2345", state=LeaseState.ACTIVE, since=1e200))
    for command in (("list",), ("list", "-f", "json"), ("show", "1"), ("show", "2"), ("leases",), ("status",)):
        assert desk.run(*command).exit_code == 0


@pytest.mark.zookeeper
def test_bytes_that_are_no_text_are_an_argument_like_others(real_pool: RealPool, tmp_path: Path) -> None:
    """As a shell passes them; a file's name is printed as it is."""
    real_pool.store.create(make_node(1))
    arguments = [sys.executable, "-m", "nodepool_lite", "--config", real_pool.config]
    done = subprocess.run([*arguments, "hold", "1", "--reason", b"to look \xff at"], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    (node,) = real_pool.store.read().nodes.values()
    assert node.hold_reason.startswith("to look ? at (")
    odd = bytes(tmp_path) + b"/\xff.yaml"
    done = subprocess.run([*arguments, "config", "check", odd], capture_output=True, check=False)
    assert done.returncode == 78
    assert odd + b":1:1: cannot be read" in done.stdout
