"""Scripts on this host: where they are found, what goes to the node with them, and how a label is verified."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nodepool_lite.config import shipped
from nodepool_lite.config.load import load_or_raise
from nodepool_lite.config.scripts import find_script, label_digest, label_files, places, verify_script
from nodepool_lite.config.settings import Config, Label
from nodepool_lite.model.errors import ScriptFileError
from tests.config.conftest import BASE

MakeConfig = Callable[..., Config]
USES = "#!/bin/sh\n# nodepool-needs: lib.sh other.sh\n# nodepool-verify: verify.sh\n. ./lib.sh\n"


@pytest.fixture
def make(write: Callable[[str], Path], tmp_path: Path) -> MakeConfig:
    """Make a configuration whose scripts-dir holds these files."""

    def made(**scripts: str) -> Config:
        for name, text in scripts.items():
            (tmp_path / f"{name}.sh").write_text(text)
        return load_or_raise(write(BASE + "scripts-dir: .\n"), {})

    return made


def test_a_script_is_found_in_scripts_dir_before_the_shipped_ones(make: MakeConfig, tmp_path: Path) -> None:
    """The operator's script of the same name wins; one that ships is found without any."""
    assert find_script(places(make()), "hello.sh") == shipped.scripts_dir() / "hello.sh"
    assert find_script(places(make(hello="mine")), "hello.sh") == tmp_path / "hello.sh"


@pytest.mark.parametrize("name", ["", "none.sh", "../quickstart.yaml", "/etc/passwd", ".."])
def test_nothing_is_found_for_a_name_that_is_none(make: MakeConfig, name: str) -> None:
    """And such a label has no digest."""
    config = make()
    assert find_script(places(config), name) is None
    assert label_digest(config, Label(name="x").but(ready_script=name)) == ""


@pytest.mark.parametrize("place", ["/dev/null", "/nowhere", "/tmp/" + "x" * 300])
def test_a_directory_that_is_none_has_no_scripts(make: MakeConfig, place: str) -> None:
    """It is passed over, and does not end the daemon."""
    config = make().but(scripts_dir=(Path(place),))
    assert find_script(places(config), "none.sh") is None
    assert label_digest(config, Label(name="x", ready_script="hello.sh"))


def test_a_script_takes_along_what_it_needs_and_what_verifies_it(make: MakeConfig) -> None:
    """And what those need in turn; nothing else of the directory."""
    config = make(run=USES, lib="# nodepool-needs: deep.sh\n", other="", deep="", verify="", unused="")
    files = label_files(config, None, "run.sh")
    assert sorted(files) == ["deep.sh", "lib.sh", "other.sh", "run.sh", "verify.sh"]
    assert files["run.sh"] == USES.encode()


def test_a_script_that_names_what_is_nowhere_is_told(make: MakeConfig) -> None:
    """With both names, before anything goes to a node."""
    with pytest.raises(ScriptFileError, match=r"run\.sh names other\.sh"):
        label_files(make(run=USES, lib="", verify=""), None, "run.sh")


def test_the_labels_own_verify_script_wins(make: MakeConfig) -> None:
    """Over the one that its ready-script names."""
    config = make(run=USES)
    assert verify_script(config, Label(name="x", ready_script="run.sh")) == "verify.sh"
    assert verify_script(config, Label(name="x", ready_script="run.sh", verify_script="own.sh")) == "own.sh"
    assert verify_script(config, Label(name="x", ready_script="hello.sh")) == ""


@pytest.mark.parametrize("changed", ["run", "lib", "verify"])
def test_a_change_of_any_file_that_goes_to_the_node_changes_the_digest(make: MakeConfig, changed: str) -> None:
    """So that nodes made with the old one are replaced; a change of another script replaces none."""
    label = Label(name="x", ready_script="run.sh")
    before = label_digest(make(run=USES, lib="", other="", verify="", unused=""), label)
    assert label_digest(make(unused="new"), label) == before
    assert label_digest(make(**{changed: USES + "# new\n"}), label) != before


def test_what_a_script_names_and_is_missing_is_said_by_the_check(
    told: Callable[..., list[str]], make: MakeConfig
) -> None:
    """As a warning at the label, because the host that runs it may have it."""
    make(run=USES, lib="", verify="")
    text = BASE.replace("min-ready: 1", "min-ready: 1\n    ready-script: run.sh") + "scripts-dir: .\n"
    (message,) = told(text)
    assert "run.sh names other.sh, which is not in `scripts-dir`" in message
