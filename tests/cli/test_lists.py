"""Lists: the columns that people know, in every format and width."""

import csv
import io
import json
import os
import pty

import pytest
import yaml

from nodepool_lite.cli.layout import aligned, pad, width
from nodepool_lite.cli.listing import Column, Shape, render
from nodepool_lite.model.image import BuildState, ImageFile, UploadState
from nodepool_lite.model.lease import LeaseState
from nodepool_lite.model.node import NodeState, ScriptRun
from nodepool_lite.model.pool import Backoff
from nodepool_lite.testing import NOW, make_build, make_lease, make_node, make_upload, numbered
from tests.program import Program

from .conftest import PROGRAM, Desk, RealPool

ARTICLE = {
    "dib-image-list": "ID Image Filename Version State Age",
    "image-list": "ID Provider Image Hostname Version Image-ID Server-ID State Age",
    "list": "ID Provider AZ Label Target Manager Hostname NodeName Server-ID IP State Age",
}


def test_a_node_in_the_list(desk: Desk) -> None:
    """Every column says what it is called, and the age counts since the present state."""
    desk.store.create(make_node(1, state=NodeState.IN_USE, lease="k7mp2x9q", az="nova"))
    desk.clock.advance(2 * 86400 + 3 * 3600 + 4 * 60 + 5)
    (row,) = desk.json("list")
    assert row == {
        "ID": "0000000001",
        "Provider": "local",
        "AZ": "nova",
        "Label": "debian-12",
        "Target": "",
        "Manager": "",
        "Hostname": "debian-12-0000000001",
        "NodeName": "debian-12-0000000001",
        "Server-ID": "server-0000000001",
        "IP": "127.0.0.1",
        "State": "in-use",
        "Age": "02:03:04:05",
        "Port": 22001,
        "Member": "",
        "Lease": "k7mp2x9q",
        "Comment": "",
    }


@pytest.mark.parametrize("command", ARTICLE)
def test_the_old_columns_come_first_and_in_their_old_order(desk: Desk, command: str) -> None:
    """Scripts and eyes that know them find them."""
    header = desk.out(command, "-f", "csv").splitlines()[0]
    assert header.startswith(ARTICLE[command].replace(" ", ","))
    assert desk.out(command).split()[: len(ARTICLE[command].split())] == ARTICLE[command].split()


@pytest.mark.parametrize("command", ARTICLE)
def test_every_old_column_can_be_asked_for_by_name(desk: Desk, command: str) -> None:
    """Whatever the case."""
    for name in ARTICLE[command].split():
        assert desk.out(command, "--column", name.lower()).split() == [name]


def test_builds_and_uploads_in_their_lists(desk: Desk) -> None:
    """File name, version, and what the provider calls it."""
    file = ImageFile(format="qcow2", path="/images/debian-12-0000000001.qcow2", size=1, sha256="a", md5="b")
    desk.store.create(make_build(1, files=(file,)))
    desk.store.create(make_build(2, state=BuildState.BUILDING, phase="root.d/10-debootstrap"))
    desk.store.create(make_upload(1))
    desk.store.create(make_upload(2, state=UploadState.UPLOADING, progress=40))
    done, running = desk.json("dib-image-list")
    assert (done["ID"], done["Filename"], done["Version"]) == (
        "debian-12-0000000001",
        "/images/debian-12-0000000001",
        "0000000001",
    )
    assert (running["State"], running["Comment"]) == ("building", "root.d/10-debootstrap")
    served, coming = desk.json("image-list")
    assert (served["Image"], served["Hostname"], served["Image-ID"], served["Server-ID"]) == (
        "debian-12",
        "debian-12-0000000001",
        "image-0000000001",
        "",
    )
    assert coming["Comment"] == "40 %"


def test_a_build_that_nobody_can_upload_says_so(desk: Desk) -> None:
    """Of the newest: nobody wants an older one."""
    desk.store.create(make_build(1))
    desk.store.create(make_build(2))
    lost = "debian-12-0000000002 is not at local, and builder-1, which holds it, has no builder"
    assert [row["Comment"] for row in desk.json("dib-image-list")] == ["", lost]


@pytest.mark.parametrize(
    ("node", "comment"),
    [
        (make_node(1, state=NodeState.HOLD, hold_reason="bug 7 (bob)"), "bug 7 (bob)"),
        (make_node(1, state=NodeState.FAILED, error="no route to host"), "no route to host"),
        (make_node(1, state=NodeState.PREPARING, script=ScriptRun(name="x.sh", run_id="r", started=NOW)), "x.sh"),
        (
            make_node(1, state=NodeState.PREPARING, script=ScriptRun(name="x", run_id="r", started=NOW, step="3/9")),
            "3/9",
        ),
        (make_node(1, state=NodeState.BUILDING).noted(NOW, "the cloud is busy"), "the cloud is busy"),
        (make_node(1, state=NodeState.BUILDING), ""),
        (make_node(1, primary=numbered(7)), "sub-node of 0000000007"),
        (make_node(1, primary=numbered(7), member="compute"), "compute, sub-node of 0000000007"),
        (make_node(1, subnodes=(numbered(7),), member="controller"), "controller, the primary of its set"),
        (make_node(1), ""),
    ],
)
def test_the_comment_says_what_matters_in_a_state(desk: Desk, node: object, comment: str) -> None:
    """Why it is held, why it failed, how far the script is, what it waits for."""
    desk.store.create(node)
    assert desk.json("list", "--column", "Comment") == [{"Comment": comment}]


def test_the_list_tells_why_there_are_not_more(desk: Desk) -> None:
    """On stderr, with the next try, and only of labels that lack nodes."""
    trouble = {"failures": 1, "since": NOW, "last": NOW, "next_try": NOW + 90}
    for label in ("debian-12", "rdo"):
        desk.store.create(Backoff(id=f"launch/{label}@local", error=f"no network for {label}", **trouble))
    result = desk.run("list", "-f", "value")
    assert result.stdout == ""
    assert result.stderr.startswith("nodepool-lite: label debian-12: no network for debian-12 (next try in 1m30s, at ")
    assert len(result.stderr.splitlines()) == 1
    desk.store.create(make_node(1))
    assert desk.run("list").stderr == ""


def test_machine_formats_agree(desk: Desk) -> None:
    """JSON, YAML, CSV and bare values hold the same."""
    desk.store.create(make_node(1))
    desk.store.create(make_node(2, state=NodeState.BUILDING))
    wanted = ["--column", "ID", "--column", "State", "--column", "Port"]
    rows = [
        {"ID": "0000000001", "State": "ready", "Port": 22001},
        {"ID": "0000000002", "State": "building", "Port": None},
    ]
    assert json.loads(desk.out("list", "-f", "json", *wanted)) == rows
    assert yaml.safe_load(desk.out("list", "-f", "yaml", *wanted)) == rows
    assert list(csv.reader(io.StringIO(desk.out("list", "-f", "csv", *wanted)))) == [
        ["ID", "State", "Port"],
        ["0000000001", "ready", "22001"],
        ["0000000002", "building", ""],
    ]
    assert desk.out("list", "-f", "value", *wanted) == "0000000001 ready 22001\n0000000002 building\n"


def test_a_column_that_does_not_exist(desk: Desk) -> None:
    """All that do are named."""
    result = desk.run("list", "--column", "Colour")
    assert result.exit_code == 2
    assert "no column Colour; there are: ID, Provider, AZ" in result.stderr


def test_an_empty_list_in_each_format(desk: Desk) -> None:
    """A header for people, nothing for scripts."""
    assert desk.out("leases").split()[0] == "ID"
    assert desk.out("leases", "-f", "json") == "[]\n"
    assert desk.out("leases", "-f", "value") == ""


def test_leases_in_the_order_in_which_they_came(desk: Desk) -> None:
    """Ended ones only if asked for."""
    desk.store.create(make_lease("bbbbbbbb", state=LeaseState.ACTIVE, nodes=(numbered(1),), reason="demo"))
    desk.store.create(make_lease("aaaaaaaa"))
    desk.store.create(make_lease("cccccccc", state=LeaseState.ENDED, end_reason="released: by alice"))
    desk.clock.advance(3600)
    assert [row["ID"] for row in desk.json("leases")] == ["bbbbbbbb", "aaaaaaaa"]
    assert "in 3h00m" in desk.out("leases")
    first, _, last = desk.json("leases", "--all")
    assert (first["Expires"], first["Nodes"]) == ("2023-11-15T02:13:20Z", ["0000000001"])
    assert (last["State"], last["Reason"]) == ("ended", "released: by alice")


def test_labels_and_providers(desk: Desk) -> None:
    """What can be asked for, what it is made from, and how full it is there."""
    desk.store.create(make_node(1))
    debian, rdo = desk.json("label-list")
    assert (debian["Label"], debian["Wanted"], debian["Ready"], debian["Providers"]) == ("debian-12", 1, 1, ["local"])
    assert (rdo["Image"], rdo["Ready-Script"]) == (["debian-12"], "run_packstack.sh")
    (provider,) = desk.json("provider-list")
    assert (provider["Driver"], provider["Servers"], provider["Max-Servers"]) == ("simulated", 1, 10)


def test_what_a_machine_said_cannot_break_a_table(desk: Desk) -> None:
    """Line breaks and control characters become spaces."""
    desk.store.create(make_node(1, state=NodeState.FAILED, error="one\ntwo\x1b[2J"))
    assert desk.out("list", "--column", "Comment").splitlines() == ["Comment", "one two [2J"]


def on_a_terminal(real_pool: RealPool, columns: int, *arguments: str) -> str:
    """Run a command on a terminal of that many columns and return what appears there."""
    primary, secondary = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    command = [PROGRAM, "--config", real_pool.config, *arguments]
    with Program(command, stdout=secondary, stderr=secondary, env=environment) as process:
        os.close(secondary)
        shown = b""
        while True:
            try:
                data = os.read(primary, 65536)
            except OSError:
                break
            if not data:
                break
            shown += data
    os.close(primary)
    assert process.returncode == 0, shown
    return shown.decode()


@pytest.mark.zookeeper
def test_the_list_fits_a_terminal_of_100_columns(real_pool: RealPool) -> None:
    """The most useful columns are there, whole; what does not fit is left out, and a long comment is cut."""
    error = "the ready-script ended with status 1: " + "unable to locate package " * 4
    real_pool.store.create(make_node(1, state=NodeState.FAILED, error=error))
    real_pool.store.create(make_node(2, state=NodeState.IN_USE, lease="k7mp2x9q", address="192.168.100.200"))
    shown = on_a_terminal(real_pool, 100, "list")
    plain = shown.replace("\x1b[0m", "").replace("\x1b[1m", "").replace("\x1b[31m", "").replace("\x1b[36m", "")
    header, failed, taken = plain.splitlines()
    assert header.split() == ["ID", "Label", "IP", "State", "Age", "Lease", "Comment"]
    assert max(map(len, (header, failed, taken))) <= 100
    assert failed.endswith("…")
    assert "192.168.100.200  in-use" in taken
    assert "\x1b[31m  failed" in shown or "\x1b[31mfailed" in shown


@pytest.mark.zookeeper
def test_detail_shows_everything_however_wide(real_pool: RealPool) -> None:
    """No column is left out, no comment is cut."""
    real_pool.store.create(make_node(1, state=NodeState.FAILED, error="x" * 150))
    shown = on_a_terminal(real_pool, 80, "list", "--detail")
    assert "NodeName" in shown
    assert "x" * 150 in shown


@pytest.mark.zookeeper
def test_a_pipe_gets_no_colour(real_pool: RealPool) -> None:
    """Plain aligned text, all columns."""
    real_pool.store.create(make_node(1))
    done = real_pool.run("list")
    assert "\x1b" not in done.stdout
    assert done.stdout.split()[: len(ARTICLE["list"].split())] == ARTICLE["list"].split()
    assert done.stderr == ""


@pytest.mark.zookeeper
def test_watching_prints_each_change_once(real_pool: RealPool) -> None:
    """Not on a terminal: a new list when something other than an age has changed."""
    wanted = ["--column", "ID", "--column", "State", "--column", "Age", "-f", "value"]
    with real_pool.start("list", "--watch", *wanted) as process:
        assert process.stdout is not None
        node = real_pool.store.create(make_node(1))
        assert process.stdout.readline().startswith("0000000001 ready ")
        real_pool.store.create(make_build(1))
        real_pool.store.update(node.to(NodeState.DELETING, NOW, "test"))
        assert process.stdout.readline().startswith("0000000001 deleting ")
        process.terminate()


def test_wide_characters_keep_columns_aligned() -> None:
    """A table is aligned by what a terminal shows, not by characters."""
    assert width("日本語") == 6
    assert aligned([["日本語", "x"], ["a", "y"]]) == ["日本語  x", "a       y"]
    assert pad("日本語", 4) == "日… "


def test_columns_are_chosen_in_the_order_asked_for() -> None:
    """Not in their own."""
    columns = [Column("A", str), Column("B", lambda row: row * 2)]
    assert render([1], columns, Shape("value", ("b", "a"))) == "2 1\n"
