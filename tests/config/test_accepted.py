"""What a daemon accepted, as commands find it again: the very same settings, and only as long as they are that."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from nodepool_lite.config import accepted
from nodepool_lite.config.accepted import keep, meant
from nodepool_lite.config.load import load
from nodepool_lite.config.settings import Config
from nodepool_lite.config.source import digest_of
from tests.config.conftest import BASE, FILES

Write = Callable[[str], Path]


@pytest.fixture
def kept(write: Write, tmp_path: Path) -> tuple[Path, Config]:
    """Give a file, and what a daemon that took it kept."""
    file = write(f"state-dir: {tmp_path}/state\n{BASE}")
    return file, accept(file, {})


def accept(file: Path, environ: dict[str, str]) -> Config:
    """Do as a daemon does with a good file."""
    loaded = load(file, environ)
    assert loaded.config is not None
    keep(file, loaded.config, loaded.digest)
    return loaded.config


def test_a_file_that_a_daemon_uses_need_not_be_read_again(
    kept: tuple[Path, Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its meaning is what the daemon made of it."""
    file, config = kept
    assert meant(file, {}) == config
    monkeypatch.chdir(file.parent)
    assert meant(Path(file.name), {}) == config


@pytest.mark.parametrize("example", FILES, ids=lambda each: each.name)
def test_every_setting_comes_back_as_it_was(write: Write, tmp_path: Path, example: Path) -> None:
    """Paths, durations, texts and what has a default."""
    text = example.read_text().replace("%(NODEPOOL_STATE_DIR)", str(tmp_path / "state")).replace("~", "")
    if "state-dir:" not in text:
        text = text.removeprefix("---\n") + f"\nstate-dir: {tmp_path}/state\n"
    elif str(tmp_path) not in text:
        text = "\n".join(line for line in text.split("\n") if not line.startswith("state-dir:"))
        text += f"\nstate-dir: {tmp_path}/state\n"
    file = write(text)
    config = load(file, {}).config
    assert config is not None
    keep(file, config, digest_of([file.read_bytes()]))  # also where a comment names a variable
    assert meant(file, {}) == config


def test_a_file_that_says_something_else_is_read(kept: tuple[Path, Config]) -> None:
    """Even where it is only a comment, and nobody has told a daemon."""
    file, config = kept
    file.write_text(f"{file.read_text()}# more\n")
    assert meant(file, {}) is None
    accept(file, {})
    assert meant(file, {}) == config


def test_the_same_words_elsewhere_are_read(kept: tuple[Path, Config], tmp_path: Path) -> None:
    """Relative paths mean something else there."""
    file, _ = kept
    other = tmp_path / "other.yaml"
    other.write_text(file.read_text())
    assert meant(other, {}) is None


def test_what_depends_on_variables_or_a_second_file_is_read(write: Write, tmp_path: Path) -> None:
    """They may be others by now, or for this user."""
    file = write(f"pool-name: '%(NODEPOOL_NAME)'\nstate-dir: {tmp_path}/state\n{BASE}")
    accept(file, {"NODEPOOL_NAME": "one"})
    assert meant(file, {"NODEPOOL_NAME": "one"}) is None
    secure = tmp_path / "secure.yaml"
    secure.write_text("zookeeper-servers: [{host: zk.example.org}]\n")
    environ = {"NODEPOOL_LITE_SECURE": str(secure)}
    file = write(f"state-dir: {tmp_path}/state\n{BASE}")
    accept(file, environ)
    assert meant(file, environ) is None
    assert meant(file, {}) is None


def test_nothing_secret_is_kept(write: Write, tmp_path: Path) -> None:
    """Neither from the environment nor from the secure file; what was kept before there were any is gone."""
    state = tmp_path / "state"
    plain = f"state-dir: {state}\nzookeeper-servers: [{{host: zk.example.org}}]\n{BASE}"
    accept(write(plain), {})
    assert (state / "accepted.json").exists()
    secure = tmp_path / "secure.yaml"
    secure.write_text("zookeeper-auth: {username: u, password: open sesame}\n")
    accept(write(plain), {"NODEPOOL_LITE_SECURE": str(secure)})
    assert [each.name for each in state.iterdir()] == ["accepted.yaml"]
    text = f"{plain}zookeeper-auth: {{username: u, password: '%(NODEPOOL_PASSWORD)'}}\n"
    accept(write(text), {"NODEPOOL_PASSWORD": "open sesame"})
    assert [each.name for each in state.iterdir()] == ["accepted.yaml"]
    assert "open sesame" not in (state / "accepted.yaml").read_text()


def test_what_is_in_somebodys_home_is_read(write: Write, tmp_path: Path) -> None:
    """The daemon's home is not the user's."""
    file = write(f"state-dir: {tmp_path}/state\nprivate-key: ~/.ssh/id\n{BASE}")
    accept(file, {"HOME": "/root"})
    assert meant(file, {"HOME": "/home/alice"}) is None


def test_a_pipe_is_left_to_who_reads_it(kept: tuple[Path, Config]) -> None:
    """What it holds can be read once: `--config <(sops -d nodepool.yaml)`."""
    file, _ = kept
    reader, writer = os.pipe()
    os.write(writer, file.read_bytes())
    os.close(writer)
    assert meant(Path(f"/dev/fd/{reader}"), {}) is None
    assert os.read(reader, 1 << 16) == file.read_bytes()
    os.close(reader)


@pytest.mark.parametrize("place", ["\0", "/nowhere/ä", "/dev/null/x", "x" * 5000])
def test_a_state_directory_that_cannot_be_is_none(write: Write, place: str) -> None:
    """Whoever reads the file says what is wrong."""
    assert meant(write(f"state-dir: {place}\n{BASE}"), {}) is None


def test_a_link_or_a_directory_in_its_place_is_no_meaning(kept: tuple[Path, Config]) -> None:
    """Only a file that was put there by name counts."""
    file, config = kept
    meaning = config.state_dir / "accepted.json"
    meaning.rename(config.state_dir / "elsewhere")
    meaning.symlink_to("elsewhere")
    assert meant(file, {}) is None
    meaning.unlink()
    meaning.mkdir()
    assert meant(file, {}) is None


def test_another_versions_meaning_is_not_taken(kept: tuple[Path, Config], monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have had other defaults."""
    file, _ = kept
    monkeypatch.setattr(accepted, "__version__", "99")
    assert meant(file, {}) is None


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"{", b"[]", b'{"program": "x"}', b'{"config": {"labels": 5}}', b"[" * 99999]
)
def test_a_meaning_that_cannot_be_read_is_none(kept: tuple[Path, Config], content: bytes) -> None:
    """The file itself is there."""
    file, config = kept
    (config.state_dir / "accepted.json").write_bytes(content)
    assert meant(file, {}) is None


def test_root_takes_nobody_elses_word(kept: tuple[Path, Config], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever owns the state directory may not tell root what a file means that only root may change."""
    file, config = kept
    meaning = config.state_dir / "accepted.json"
    if os.geteuid() == 0:
        os.chown(meaning, 4711, 4711)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert meant(file, {}) is None


def test_root_takes_nothing_that_others_may_write(kept: tuple[Path, Config], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever put it there."""
    file, config = kept
    (config.state_dir / "accepted.json").chmod(0o664)
    if os.geteuid() != 0:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert meant(file, {}) is None


def test_the_copy_is_for_no_other_group(write: Write, tmp_path: Path) -> None:
    """Where the state directory belongs to another group than the file, the group's rights are not handed on."""
    file = write(f"state-dir: {tmp_path}/state\n{BASE}")
    file.chmod(0o640)
    accept(file, {})
    kept = tmp_path / "state" / "accepted.yaml"
    assert kept.stat().st_mode & 0o777 == 0o640
    if os.geteuid() == 0:
        os.chown(file, 0, 4711)
        accept(file, {})
        assert kept.stat().st_mode & 0o777 == 0o600


def test_settings_that_are_no_text_are_not_kept(write: Write, tmp_path: Path) -> None:
    """Bytes of an odd environment neither end a daemon nor come back as something else."""
    config = load(write(f"state-dir: {tmp_path}/state\n{BASE}"), {}).config
    assert config is not None
    file = tmp_path / "nodepool.yaml"
    odd = config.but(pool_name="a\udcff")
    keep(file, odd, digest_of([file.read_bytes()]))
    assert meant(file, {}) is None


def test_settings_that_json_does_not_know_are_not_kept(write: Write, tmp_path: Path) -> None:
    """What was kept before them is gone, too."""
    text = f"state-dir: {tmp_path}/state\n{BASE}"
    accept(write(text), {})
    file = write(text.replace("driver: qemu", "driver: simulated\n    options: {boot-time: .inf}"))
    accept(file, {})
    assert not (tmp_path / "state" / "accepted.json").exists()
