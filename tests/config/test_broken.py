"""The corpus of broken configurations: each is told with its place and what was expected, by every command alike."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click.testing
import pytest
import structlog

from nodepool_lite.cli.app import App
from nodepool_lite.cli.main import cli
from nodepool_lite.config.load import load
from nodepool_lite.daemon.live import LiveConfig
from nodepool_lite.testing import FakeClock
from tests.config.conftest import DATA, said

ESCAPES = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4}))")


def unescaped(text: str) -> str:
    """Return the text with the characters that the corpus writes with backslashes."""
    return ESCAPES.sub(lambda match: chr(int(match[1] or match[2], 16)), text)


def corpus() -> list[tuple[str, str, list[str]]]:
    """Return name, text and complaints of each case."""
    _, *cases = (DATA / "broken.txt").read_text(encoding="utf-8").split("\n== ")
    found = []
    for case in cases:
        name, *lines = unescaped(case).split("\n")
        told = [line.removeprefix(">> ") for line in lines if line.startswith(">> ")]
        text = "\n".join(line for line in lines if not line.startswith(">> ")).rstrip("\n")
        found.append((name, f"{text}\n", told))
    return found


CORPUS = corpus()


@pytest.mark.parametrize(("text", "told"), [case[1:] for case in CORPUS], ids=[case[0] for case in CORPUS])
def test_a_broken_file_is_told(tmp_path: Path, text: str, told: list[str]) -> None:
    """Every complaint has file, line and column, and there is no configuration."""
    path = tmp_path / "nodepool.yaml"
    path.write_text(text, encoding="utf-8")
    loaded = load(path, {})
    assert said(loaded) == told
    assert loaded.config is None


def test_a_broken_file_changes_nothing_at_a_reload(tmp_path: Path) -> None:
    """Whatever is wrong with it, what was in use stays in use, and the file's errors are on record."""
    path = tmp_path / "nodepool.yaml"
    path.write_text(f"state-dir: {tmp_path}/state\n")
    log = structlog.testing.CapturingLogger()
    live = LiveConfig(path, FakeClock(), log)
    before = live.start()
    for _, text, told in CORPUS:
        path.write_text(text, encoding="utf-8")
        assert not live.reload()
        assert live.config() is before
        errors = [line for line in told if " warning: " not in line]
        assert live.error.splitlines() == [f"{path}:{line}" for line in errors]


def test_commands_end_with_78_and_the_list(tmp_path: Path) -> None:
    """In one process, for the speed of it: no command has more to say than the file's errors."""
    path = tmp_path / "nodepool.yaml"
    for name, text, told in CORPUS:
        path.write_text(text, encoding="utf-8")
        for command in ("list", "status", "config check"):
            app = App(path)
            result = click.testing.CliRunner().invoke(cli, command.split(), obj=app, prog_name="nodepool-lite")
            assert result.exit_code == 78, name
            assert all(f"{path}:{line}" in result.output for line in told), (name, result.output)
            assert "this is a bug" not in result.output


def test_a_file_that_is_no_file_is_told(tmp_path: Path) -> None:
    """A directory, something huge, a link to nothing, bytes of another encoding: one line, in time."""
    odd = {
        "directory": "cannot be read: Is a directory",
        "link": "cannot be read: No such file or directory",
        "huge": "this file is larger than 8 MiB; is it the right one?",
        "utf16": "this is not UTF-8 text; save the file as UTF-8",
        "latin1": "this is not UTF-8 text; save the file as UTF-8",
        "zeros": "this is not YAML: control characters are not allowed",
    }
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "huge").touch()
    os.truncate(tmp_path / "huge", 9 << 20)
    (tmp_path / "utf16").write_text("labels: []", encoding="utf-16")
    (tmp_path / "latin1").write_bytes("pool-name: ä".encode("latin-1"))
    (tmp_path / "zeros").write_bytes(b"a: \0")
    for name, message in odd.items():
        for command in ("list", "doctor", "config check"):
            app = App(tmp_path / name)
            result = click.testing.CliRunner().invoke(cli, command.split(), obj=app, prog_name="nodepool-lite")
            assert result.exit_code == (1 if command == "doctor" else 78), (name, result.output)
            assert re.search(rf"{tmp_path / name}:1:\d+: {re.escape(message)}", result.output), (name, result.output)


def test_a_daemon_does_not_start_with_one(tmp_path: Path) -> None:
    """It ends with 78 and one line, which systemd takes for not to be tried again."""
    path = tmp_path / "nodepool.yaml"
    path.write_bytes(b"a: \0")
    command = [sys.executable, "-m", "nodepool_lite", "--config", path, "run"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert done.stderr == f"nodepool-lite: error: {path}:1:4: this is not YAML: control characters are not allowed\n"


def test_a_variable_that_is_no_text_is_no_traceback(tmp_path: Path) -> None:
    """The environment may hold any bytes; what cannot be a value of the file is told at its place."""
    path = tmp_path / "nodepool.yaml"
    path.write_text("pool-name: ok\nstate-dir: %(NODEPOOL_X)\n")
    environment = {**os.environb, b"NODEPOOL_X": b"/tmp/\xff"}
    done = subprocess.run(
        [sys.executable, "-m", "nodepool_lite", "--config", path, "config", "check"],
        capture_output=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 78
    assert f"{path}:2:12: ".encode() in done.stdout
    assert b"this is a bug" not in done.stderr
