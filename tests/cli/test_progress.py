"""How a label's way to its first ready node is told."""

import click.testing
import pytest

from nodepool_lite.cli.app import App
from nodepool_lite.cli.main import cli
from nodepool_lite.cli.stages import progress
from nodepool_lite.config.settings import Config, Label, NodesetMember
from nodepool_lite.model.errors import StoreUnavailableError
from nodepool_lite.model.image import BuildState, UploadState
from nodepool_lite.model.node import NodeState
from nodepool_lite.model.pool import Backoff
from nodepool_lite.store.base import Store
from nodepool_lite.store.memory import MemoryServer
from nodepool_lite.testing import NOW, make_build, make_config, make_node, make_upload, numbered

from .conftest import Desk

BUILDING = make_build(state=BuildState.BUILDING, phase="install.d/60-x")
UPLOADING = make_upload(state=UploadState.UPLOADING, progress=50)


@pytest.mark.parametrize(
    ("records", "done"),
    [
        pytest.param((), (False, False, False, False), id="nothing is there"),
        pytest.param((BUILDING,), (False, False, False, False), id="the image is being built"),
        pytest.param((make_build(),), (True, False, False, False), id="the image is built"),
        pytest.param((make_build(), UPLOADING), (True, False, False, False), id="it is being uploaded"),
        pytest.param((make_node(1, state=NodeState.TESTING),), (True, True, False, False), id="a node boots"),
        pytest.param((make_node(1, state=NodeState.PREPARING),), (True, True, True, False), id="its script runs"),
        pytest.param((make_node(1),), (True, True, True, True), id="it is ready"),
    ],
)
def test_what_comes_before_something_done_was_done_as_well(records: tuple[object, ...], done: tuple[bool, ...]) -> None:
    """The stages follow the records, in their order."""
    store = MemoryServer().connect()
    for record in records:
        store.create(record)  # type: ignore[type-var]  # records of several kinds
    seen = progress(store.snapshot(), make_config(), "debian-12", NOW)
    assert tuple(stage.done for stage in seen.stages) == done


def test_a_set_needs_all_its_images_and_is_ready_when_its_primary_is() -> None:
    """What is least far tells how far the whole is."""
    nodeset = (NodesetMember(label="controller"), NodesetMember(label="compute"))
    config = make_config((Label(name="controller"), Label(name="compute"), Label(name="ha-set", nodeset=nodeset)))
    store = MemoryServer().connect()
    store.create(make_build(diskimage="controller"))
    assert [stage.done for stage in progress(store.snapshot(), config, "ha-set", NOW).stages] == [False] * 4
    store.create(make_build(diskimage="compute"))
    store.create(make_node(1, label="ha-set", state=NodeState.PREPARING, subnodes=(numbered(2),)))
    store.create(make_node(2, label="ha-set", primary=numbered(1)))
    seen = progress(store.snapshot(), config, "ha-set", NOW)
    assert [stage.done for stage in seen.stages] == [True, True, True, False]
    assert seen.ready is None


def test_trouble_on_the_way_is_told_with_the_next_try() -> None:
    """A back-off of the image, of its upload or of the launches concerns the label."""
    store = MemoryServer().connect()
    store.create(Backoff(id="build/debian-12", failures=1, error="no mirror", since=NOW, last=NOW, next_try=NOW + 60))
    seen = progress(store.snapshot(), make_config(), "debian-12", NOW)
    assert seen.trouble == "no mirror (next try in 60 s)"


def test_a_ready_node_ends_the_watch(desk: Desk) -> None:
    """Away from a terminal it says so in plain lines, on stderr."""
    desk.store.create(make_node(1))
    result = desk.run("progress", "debian-12")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "ready: node 0000000001" in result.stderr


def test_an_unknown_label_is_status_3(desk: Desk) -> None:
    """With the labels that there are."""
    result = desk.run("progress", "debain-12")
    assert result.exit_code == 3
    assert "debian-12" in result.stderr


def test_a_store_that_stays_away_is_given_up_after_a_minute(desk: Desk) -> None:
    """A daemon that was only just started has its ZooKeeper by then."""

    def no_store(_config: Config, *, watch: bool) -> Store:
        raise StoreUnavailableError(f"nobody is there (watch={watch})")

    app = App(desk.config, desk.clock, no_store)
    result = click.testing.CliRunner().invoke(cli, ["progress", "debian-12"], obj=app, prog_name="nodepool-lite")
    assert result.exit_code == 69
    assert desk.clock.now() - NOW == pytest.approx(60, abs=1)
