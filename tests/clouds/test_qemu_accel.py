"""KVM or TCG is found out by trying, once per boot of the host."""

import json
from pathlib import Path

import pytest

from nodepool_lite.clouds.qemu import accel, programs
from nodepool_lite.clouds.qemu.accel import Acceleration


def program(path: Path, script: str) -> str:
    """Write an executable in place of QEMU and return its path; it notes each run in `<path>.runs`."""
    path.write_text(f"#!/bin/sh\necho run >> {path}.runs\n{script}\n")
    path.chmod(0o755)
    return str(path)


def runs(qemu: str) -> int:
    """Return how often it was run."""
    return len(Path(f"{qemu}.runs").read_text().splitlines())


KVM_WORKS = 'for each; do case $each in file:*) printf K > "${each#file:}";; esac; done'
NO_RIGHTS = "echo 'Could not access KVM kernel module: Permission denied' >&2; exit 1"
HANGS = "while :; do :; done"


@pytest.mark.machine
def test_the_probe_runs_on_a_real_qemu() -> None:
    """The boot sector reaches 64-bit mode and its end; TCG stands for any acceleration that works."""
    answer = accel.probe(programs.find(programs.QEMU), Acceleration("tcg", "for the test"))

    assert answer.works
    assert answer.reason == "tcg ran guest code at full speed"


def test_kvm_is_taken_when_guest_code_ran_and_asked_about_once(tmp_path: Path) -> None:
    """The answer is remembered for this boot."""
    qemu, cache = program(tmp_path / "qemu", KVM_WORKS), tmp_path / "state" / "accel.json"

    assert accel.choose("auto", qemu, cache).name == "kvm"
    assert accel.choose("auto", qemu, cache).name == "kvm"
    assert runs(qemu) == 1


def test_a_kvm_on_which_guest_code_hangs_is_not_used_in_this_boot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given some seconds of work (one here) and then ended."""
    monkeypatch.setattr(accel, "_CPU_SECONDS", 1)
    qemu, cache = program(tmp_path / "qemu", HANGS), tmp_path / "accel.json"

    chosen = accel.choose("auto", qemu, cache)

    assert chosen == Acceleration("tcg", "kvm starts, but guest code hangs or is far too slow")
    assert accel.choose("auto", qemu, cache) == chosen
    assert runs(qemu) == 1


def test_a_kvm_without_rights_is_asked_about_again(tmp_path: Path) -> None:
    """Rights may be given without a restart of the host; the reason is QEMU's own."""
    qemu, cache = program(tmp_path / "qemu", NO_RIGHTS), tmp_path / "accel.json"

    chosen = accel.choose("auto", qemu, cache)
    accel.choose("auto", qemu, cache)

    assert (chosen.name, chosen.reason) == ("tcg", "Could not access KVM kernel module: Permission denied")
    assert runs(qemu) == 2


def test_an_answer_of_another_boot_or_another_qemu_does_not_count(tmp_path: Path) -> None:
    """A new kernel may have a KVM that works."""
    qemu, cache = program(tmp_path / "qemu", KVM_WORKS), tmp_path / "accel.json"
    accel.choose("auto", qemu, cache)
    known = json.loads(cache.read_text())

    for change in ({"boot_id": "another", "works": False}, {"qemu": "/another", "works": False}):
        cache.write_text(json.dumps(known | change))
        assert accel.choose("auto", qemu, cache).name == "kvm"
    cache.write_text("not JSON")
    assert accel.choose("auto", qemu, cache).name == "kvm"


def test_an_acceleration_that_is_asked_for_is_not_doubted(tmp_path: Path) -> None:
    """`kvm` and `tcg` need no trial."""
    qemu = program(tmp_path / "qemu", NO_RIGHTS)

    assert accel.choose("kvm", qemu, tmp_path / "accel.json").arguments[:2] == ["-accel", "kvm"]
    assert accel.choose("tcg", qemu, tmp_path / "accel.json").arguments[1].startswith("tcg,thread=multi")
    assert not Path(f"{qemu}.runs").exists()
