"""The unit files: systemd's own tools read them without a word, and the launcher's sandbox holds."""

import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.machine
UNITS = Path(__file__).parents[2] / "systemd"
NAMES = ("nodepool-lite.target", "nodepool-lite-launcher.service", "nodepool-lite-builder.service")
SERVICES = NAMES[1:]
MOST_EXPOSED = 20
"""Tenths: `systemd-analyze security` gives 0.0 (safe) to 10.0; below 2.0 a service counts as well protected."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file system with the units, the programs that they start, and the distribution's own targets."""
    wanted = tmp_path / "etc/systemd/system"
    wanted.mkdir(parents=True)
    for name in NAMES:
        shutil.copy(UNITS / name, wanted)
    for program in ("opt/nodepool-lite/bin/nodepool-lite", "bin/kill"):
        path = tmp_path / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    own = next(each for each in (Path("/usr/lib/systemd/system"), Path("/lib/systemd/system")) if each.is_dir())
    targets = tmp_path / "usr/lib/systemd/system"
    targets.mkdir(parents=True)
    for each in own.glob("*.target"):
        shutil.copy(each, targets, follow_symlinks=False)
    return tmp_path


def _verify(root: Path) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", "verify", f"--root={root}", "--man=no", "--recursive-errors=yes", *NAMES]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _settings(unit: str) -> dict[str, list[str]]:
    """The keys of a unit with their values, in order."""
    found: dict[str, list[str]] = {}
    for line in (UNITS / unit).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def test_systemd_accepts_the_units_without_a_word(root: Path) -> None:
    """`systemd-analyze verify` has neither errors nor warnings."""
    answer = _verify(root)

    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


def test_a_misspelt_key_would_have_been_noticed(root: Path) -> None:
    """The check above can fail: an unknown key makes systemd speak."""
    unit = root / "etc/systemd/system/nodepool-lite-launcher.service"
    unit.write_text(unit.read_text().replace("KillMode=", "KilMode="))

    assert "KilMode" in _verify(root).stderr


def test_the_launcher_is_well_protected(root: Path) -> None:
    """By systemd's measure its exposure is below 2.0 of 10."""
    command = ["systemd-analyze", "security", "--offline=true", f"--root={root}", f"--threshold={MOST_EXPOSED}"]

    answer = subprocess.run([*command, SERVICES[0]], capture_output=True, text=True, check=False)

    assert answer.returncode == 0, answer.stdout.splitlines()[-1]


@pytest.mark.parametrize("unit", SERVICES)
def test_what_does_not_get_better_is_not_started_again(unit: str) -> None:
    """A wrong configuration (78) or command line (2) ends a service for good; everything else restarts it."""
    settings = _settings(unit)

    assert settings["Restart"] == ["on-failure"]
    assert settings["RestartPreventExitStatus"] == ["2 78"]


def test_servers_survive_a_stop_of_the_launcher() -> None:
    """Only the launcher's own process is told to stop, and one killed server does not end the unit."""
    settings = _settings(SERVICES[0])

    assert settings["KillMode"] == ["process"]
    assert settings["OOMPolicy"] == ["continue"]


def test_sysusers_makes_the_user_in_the_group_that_may_use_kvm(tmp_path: Path) -> None:
    """On an empty system it makes user and group nodepool, and puts the user into kvm."""
    (tmp_path / "etc").mkdir()
    command = ["systemd-sysusers", f"--root={tmp_path}", str(UNITS / "sysusers.d/nodepool-lite.conf")]

    answer = subprocess.run(command, capture_output=True, text=True, check=False)

    assert answer.returncode == 0, answer.stderr
    user = (tmp_path / "etc/passwd").read_text()
    groups = dict(line.split(":", 1) for line in (tmp_path / "etc/group").read_text().splitlines())
    assert user.startswith("nodepool:")
    assert user.rstrip().endswith(":/var/lib/nodepool-lite:/usr/sbin/nologin")
    assert groups["kvm"].endswith(":nodepool")
    assert "nodepool" in groups


def test_tmpfiles_makes_the_state_directory_as_it_is_needed(tmp_path: Path) -> None:
    """It makes every directory; keys are for their owner alone, and the top level is root's."""
    (tmp_path / "etc").mkdir()
    subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", str(UNITS / "sysusers.d/nodepool-lite.conf")],
        capture_output=True,
        check=True,
    )
    command = ["systemd-tmpfiles", "--create", f"--root={tmp_path}", str(UNITS / "tmpfiles.d/nodepool-lite.conf")]

    answer = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (answer.returncode, answer.stderr) == (0, "")
    state = tmp_path / "var/lib/nodepool-lite"
    user = int((tmp_path / "etc/passwd").read_text().split(":")[2])
    made = {str(each.relative_to(state)): each.stat() for each in (state, *state.rglob("*"))}
    assert {name: oct(each.st_mode & 0o7777) for name, each in made.items()} == {
        ".": "0o755",
        "ssh": "0o700",
        "zookeeper": "0o755",
        "qemu": "0o755",
        "logs": "0o755",
        "logs/nodes": "0o2750",
        "logs/builds": "0o755",
        "builds": "0o755",
        "images": "0o755",
        "pool-id": "0o644",
    }
    launchers = {"ssh", "zookeeper", "qemu", "logs/nodes", "pool-id"}
    assert {name for name, each in made.items() if each.st_uid == user} == launchers
