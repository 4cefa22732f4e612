"""Looking at one thing: show, logs, status, doctor, config, completion."""

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml

from nodepool_lite.clouds.driver import Server
from nodepool_lite.model.image import BuildState
from nodepool_lite.model.lease import LeaseState
from nodepool_lite.model.node import NodeState, ScriptRun
from nodepool_lite.model.pool import Backoff, Member, Pool
from nodepool_lite.testing import NOW, make_build, make_lease, make_node, make_upload, numbered

from .conftest import PROGRAM, Desk, RealPool

ONE = numbered(1)


def test_a_node_tells_its_life(desk: Desk) -> None:
    """Each step with its time, how long the one before took, and why."""
    node = make_node(1, state=NodeState.TESTING)
    node = node.to(NodeState.PREPARING, NOW + 12.5, "logged in").to(NodeState.READY, NOW + 60, "prepared")
    desk.store.create(node)
    desk.clock.advance(120)
    shown = desk.out("show", "1")
    assert "state            ready for 1m00s (since 20" in shown
    assert "hostname         debian-12-0000000001" in shown
    history = [line.split(maxsplit=4)[2:] for line in shown.splitlines()[-3:]]
    assert history == [
        ["+0.0s", "testing", "made by a test"],
        ["+12.5s", "preparing", "logged in"],
        ["+47.5s", "ready", "prepared"],
    ]


def test_everything_can_be_shown(desk: Desk) -> None:
    """Nodes, leases, builds and images, by the names that the lists show; for programs too."""
    desk.store.create(make_node(1, script=ScriptRun(name="x.sh", run_id="r-1", started=NOW, exit_status=0)))
    desk.store.create(make_lease("k7mp2x9q", state=LeaseState.ACTIVE, nodes=(ONE,)))
    assert desk.out("show", "debian-12-0000000001").startswith(f"node                {ONE}\n")
    desk.store.create(make_build(1, error="one\ntwo"))
    desk.store.create(make_upload(1))
    assert "script-exit-status  0" in desk.out("show", ONE)
    assert "attribute rack      a7" in desk.out("show", ONE)
    assert desk.json("show", ONE)["attributes"] == {"rack": "a7"}
    assert "lifetime  4h00m" in desk.out("show", "k7mp2x9q")
    assert "one two" in desk.out("show", "debian-12-0000000001")
    assert desk.out("show", "debian-12-0000000001-local").startswith("image       debian-12-0000000001-local\n")
    data = desk.json("show", "k7mp2x9q")
    assert (data["kind"], data["id"], data["nodes"]) == ("lease", "k7mp2x9q", [ONE])
    assert yaml.safe_load(desk.out("show", "1", "-f", "yaml"))["script"]["run_id"] == "r-1"


def log_of(desk: Desk, name: str, text: str) -> None:
    """Write a log of node 1, as a launcher on this host keeps it."""
    path = desk.config.parent / "state" / "logs" / "nodes" / ONE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_log_of_a_ready_script(desk: Desk) -> None:
    """As the launcher on this host kept it, also after the node is gone."""
    log_of(desk, "ready-script.log", "installing\ndone\n")
    assert desk.out("logs", ONE) == "installing\ndone\n"
    desk.store.create(make_node(1))
    assert desk.out("logs", "1") == "installing\ndone\n"


def test_the_console_of_a_node_that_is_gone(desk: Desk) -> None:
    """Kept beside its other log."""
    log_of(desk, "console.log", "Linux version 6\n")
    assert desk.out("logs", ONE, "--console") == "Linux version 6\n"


def test_a_node_without_a_ready_script_has_no_log(desk: Desk) -> None:
    """And that is said."""
    desk.store.create(make_node(1))
    result = desk.run("logs", "1")
    assert result.exit_code == 1
    assert "no ready-script was run on it" in result.stderr


@pytest.mark.zookeeper
def test_following_a_log_until_the_node_is_ready(real_pool: RealPool) -> None:
    """What is written later appears too, and the command ends with the preparation."""
    path = real_pool.config.parent / "state" / "logs" / "nodes" / ONE / "ready-script.log"
    path.parent.mkdir(parents=True)
    path.write_text("one\n")
    node = real_pool.store.create(make_node(1, state=NodeState.PREPARING))
    with real_pool.start("logs", "1", "--follow") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "one\n"
        with path.open("a") as file:
            file.write("two\n")
        assert process.stdout.readline() == "two\n"
        with path.open("a") as file:
            file.write("three\n")
        real_pool.store.update(node.to(NodeState.READY, NOW, "prepared"))
        stdout, stderr = process.communicate(timeout=60)
    assert (stdout, stderr, process.returncode) == ("three\n", "", 0)


def test_the_log_of_a_build(desk: Desk, tmp_path: Path) -> None:
    """By the build, or of the newest build of an image, by any name of it."""
    for number in (1, 2):
        (tmp_path / f"{number}.log").write_text(f"build {number}\n")
        desk.store.create(make_build(number, log=str(tmp_path / f"{number}.log")))
    assert desk.out("image-log", "debian-12-0000000001") == "build 1\n"
    assert desk.out("image-log", "debian-12") == "build 2\n"
    assert desk.out("image-log", "debian") == "build 2\n"


def test_a_build_log_that_is_elsewhere(desk: Desk) -> None:
    """The host that has it is named."""
    desk.store.create(make_build(1, builder="lab7", log="/var/log/x.log"))
    result = desk.run("image-log", "debian-12")
    assert result.exit_code == 1
    assert "there is no log /var/log/x.log here; lab7 built it" in result.stderr


def test_status_is_one_page(desk: Desk) -> None:
    """Counts, images, providers, processes, and what is wrong, each trouble once."""
    desk.store.create(make_node(1))
    desk.store.create(make_build(1, since=NOW - 3600, builder="lab7"))
    desk.store.create(make_build(2, state=BuildState.BUILDING, phase="root.d/10-debootstrap", since=NOW - 65))
    desk.store.create(
        Backoff(id="provider/local", failures=2, error="quota\nused up", since=NOW, last=NOW, next_try=NOW + 90)
    )
    desk.store.create(
        Member(
            id="all-lab7-1",
            role="all",
            host="lab7",
            pid=1,
            started=NOW - 60,
            software="0.1.0",
            config_file="/etc/x.yaml",
            config_error="x.yaml:3:1: unknown key\nx.yaml:9:1: another",
        )
    )
    shown = desk.out("status")
    assert "debian-12  1       1      0         0       0     0       0" in shown
    assert "debian-12  debian-12-0000000001  1h00m      root.d/10-debootstrap (1m05s)" in shown
    assert "all      lab7  1    1m00s  0.1.0" in shown
    trouble = shown.partition("Trouble\n")[2].splitlines()
    assert trouble[0].startswith("provider local: quota used up (next try in 1m30s, at ")
    assert trouble[1:] == [
        "all on lab7 goes on with its old configuration; /etc/x.yaml has errors:",
        "  x.yaml:3:1: unknown key",
        "  x.yaml:9:1: another",
    ]


def test_status_for_programs(desk: Desk) -> None:
    """The same, with moments as ISO 8601."""
    desk.store.create(make_build(1))
    data = desk.json("status")
    assert data["images"][0]["since"] == "2023-11-14T22:13:20Z"
    assert data["labels"][0]["wanted"] == 1
    assert data["members"] == []


def test_status_without_any_process_says_how_to_start_one(desk: Desk) -> None:
    """The first thing that a new user sees."""
    assert "none: start one with `nodepool-lite run`" in desk.out("status")


@pytest.fixture
def serve(desk: Desk) -> Callable[[int], str]:
    """Give a function that makes a server with the pool's mark for a node of that number, and returns its id."""
    from nodepool_lite.clouds.driver import ServerSpec  # noqa: PLC0415 - only tests of aliens speak to a cloud
    from nodepool_lite.clouds.registry import open_driver  # noqa: PLC0415
    from nodepool_lite.config.load import load_or_raise  # noqa: PLC0415

    text = desk.config.read_text()
    desk.config.write_text(text.replace("driver: simulated", "driver: simulated\n    options: {images: [i]}"))
    config = load_or_raise(desk.config, os.environ)
    driver = open_driver(config.providers[0], config=config, pool_id="p1", clock=desk.clock)

    def served(number: int) -> str:
        name = {"name": f"server {number}", "label": "debian-12", "generation": "g", "image_id": "i"}
        return driver.create_server(ServerSpec(pool_id="p1", node_id=numbered(number), attempt=str(number), **name))

    return served


def test_aliens_are_servers_without_a_record(desk: Desk, serve: Callable[[int], str]) -> None:
    """Asked of the provider itself; two providers may be doors to the same cloud."""
    assert "has never run" in desk.run("alien-list").stderr
    desk.store.create(Pool(id="self", pool_id="p1", created=NOW))
    desk.store.create(make_node(1, server_id=serve(1)))
    serve(2)
    desk.store.create(make_node(3, provider="other", server_id=serve(3)))
    desk.clock.advance(60)
    (alien,) = desk.json("alien-list")
    assert (alien["Provider"], alien["Hostname"], alien["Node"]) == ("local", "server 2", numbered(2))


def test_a_server_whose_node_comes_or_goes_meanwhile_is_no_alien(
    desk: Desk, serve: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cloud takes its time to answer, and a node may be made or end in between."""
    from nodepool_lite.clouds.simulated import SimulatedDriver  # noqa: PLC0415

    desk.store.create(Pool(id="self", pool_id="p1", created=NOW))
    old = desk.store.create(make_node(1, server_id=serve(1)))
    list_servers = SimulatedDriver.list_servers

    def slowly(driver: SimulatedDriver) -> Sequence[Server]:
        desk.store.create(make_node(2, server_id=serve(2)))
        found = list_servers(driver)
        desk.store.delete(old)
        return found

    monkeypatch.setattr(SimulatedDriver, "list_servers", slowly)
    assert desk.json("alien-list") == []


def test_checking_a_configuration(desk: Desk, tmp_path: Path) -> None:
    """Every problem with its place on stdout, the verdict on stderr."""
    good = desk.run("config", "check")
    assert good.exit_code == 0
    assert good.stderr.endswith("can be used\n")
    nothing = tmp_path / "nothing.yaml"
    nothing.write_text("pool-name: mine\n")
    assert "has neither labels nor diskimages" in desk.run("config", "check", str(nothing)).stderr
    bad = tmp_path / "bad.yaml"
    bad.write_text("lables: []\n")
    result = desk.run("config", "check", str(bad))
    assert result.exit_code == 78
    assert result.stdout.startswith(f"{bad}:1:1: ")


def test_showing_converting_and_describing_a_configuration(desk: Desk, tmp_path: Path) -> None:
    """All three print what other programs read."""
    assert yaml.safe_load(desk.out("config", "show"))["labels"][0]["name"] == "debian-12"
    assert "labels" in json.loads(desk.out("config", "schema"))["properties"]
    old = tmp_path / "old.yaml"
    old.write_text(desk.config.read_text())
    assert yaml.safe_load(desk.out("config", "convert", str(old)))["labels"][1]["name"] == "rdo"


def test_the_doctor_names_what_is_wrong(desk: Desk) -> None:
    """A bad configuration is a finding like others, and the rest is still looked at."""
    desk.config.write_text("lables: []\n")
    result = desk.run("doctor")
    assert result.exit_code == 1
    finding = next(line for line in result.stdout.splitlines() if line.startswith("missing config"))
    assert "lables" in finding
    assert "image tools" in result.stdout


def test_the_doctor_goes_on_where_it_may_not_look(desk: Desk) -> None:
    """A directory that cannot even be looked for is no reason to stop."""
    text = desk.config.read_text()
    desk.config.write_text(text.replace("/state/images\n", f"/{'x' * 300}\n"))
    assert "driver simulated can work" in desk.run("doctor").stdout


def test_the_doctor_looks_at_everything(desk: Desk) -> None:
    """Each part has a line, whatever this host has."""
    shown = desk.run("doctor").stdout
    for about in ("python", "ssh", "config", "zookeeper", "image tools", "disk", "state-dir", "local"):
        assert f" {about}" in shown


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(desk: Desk, shell: str) -> None:
    """For each shell, naming our program."""
    script = desk.out("completion", shell)
    assert "_NODEPOOL_LITE_COMPLETE" in script
    assert "nodepool-lite" in script


def completed(config: Path, line: str) -> list[str]:
    """Return what bash would offer at the end of the line."""
    words = line.split(" ")
    environment = {
        **os.environ,
        "_NODEPOOL_LITE_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "NODEPOOL_LITE_CONFIG": str(config),
    }
    done = subprocess.run([PROGRAM], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return [offered.partition(",")[2] for offered in done.stdout.splitlines() if offered]


@pytest.mark.zookeeper
def test_names_are_completed(real_pool: RealPool) -> None:
    """Commands, labels from the configuration, nodes and leases from the pool."""
    real_pool.store.create(make_node(1))
    real_pool.store.create(make_lease("k7mp2x9q"))
    assert completed(real_pool.config, "nodepool-lite im") == [
        "image-list",
        "image-build",
        "image-upload",
        "image-log",
        "image-delete",
    ]
    assert completed(real_pool.config, "nodepool-lite grab ") == ["debian-12", "rdo"]
    assert completed(real_pool.config, "nodepool-lite ssh ") == ["debian-12", "rdo", "k7mp2x9q", ONE]
    assert completed(real_pool.config, "nodepool-lite delete 00") == [ONE]


def test_completion_is_silent_when_the_pool_cannot_be_asked(tmp_path: Path) -> None:
    """A missing configuration offers nothing and says nothing."""
    assert completed(tmp_path / "nowhere.yaml", "nodepool-lite grab ") == []
