"""What ready-scripts have in common: steps and their times, tries, and all that a node lacks."""

import re
import subprocess
from pathlib import Path

from nodepool_lite.access.script import last_step, tail_reason
from nodepool_lite.config.shipped import scripts_dir


def script(text: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script that sources the library, as a ready-script does once it goes on as root."""
    body = f"set -eu\n. ./ready-lib.sh\ntrap '_ready_exit $?' EXIT\n{text}\n"
    command = ["bash", "-c", body]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **variables}
    return subprocess.run(command, cwd=scripts_dir(), env=environment, capture_output=True, text=True, check=False)


def test_steps_are_shown_and_each_is_told_with_its_time() -> None:
    """At once, and at the end with the sum."""
    done = script("step installing it; step asking it; ready_end")
    assert done.returncode == 0
    assert re.fullmatch(r"asking it \(\d+ s so far\)", last_step(done.stdout.encode()))
    times = re.findall(r"^ +\d+ s  (.*)$", done.stdout, re.MULTILINE)
    assert times == ["starting", "installing it", "asking it", "in all"]


def test_a_failure_names_its_step_and_what_the_script_explains() -> None:
    """In the last lines, whatever command ended it."""
    done = script("explain() { echo the log is there; }; step installing it; false")
    assert done.returncode == 1
    told = r"failed at: installing it, after \d+ s of it and \d+ s in all \| the log is there"
    assert re.search(f"{told}$", tail_reason(done.stdout.encode()))


def test_what_fails_once_is_tried_again(tmp_path: Path) -> None:
    """As often as was said, and the last status is the end's."""
    once = 'once() { [ -e "$MARK" ] || { touch "$MARK"; return 7; }; }; retry 2 0 once; echo it worked'
    done = script(once, MARK=str(tmp_path / "mark"))
    assert done.stdout.splitlines() == ["attempt 1 of 2 ended with status 7: once; again in 0 s", "it worked"]
    done = script("never() { return 7; }; retry 3 0 never")
    assert done.returncode == 7
    assert done.stdout.count("ended with status 7: never") == 2


def test_what_does_not_come_in_time_ends_the_script() -> None:
    """With its name."""
    done = script("wait_for 0 'keystone does not answer' false")
    assert done.returncode == 1
    assert done.stdout.startswith("keystone does not answer: not within 0 s\n")


def test_all_that_a_node_lacks_is_told_at_once() -> None:
    """Memory, disk, system, program and name, each with what to do."""
    done = script(
        "need_ram 99999999; need_disk 99999999; need_os plan9:4; need_command no-such-program 'install it'\n"
        "lacks it has no moon; needs_met; echo went on"
    )
    assert done.returncode == 1
    assert "went on" not in done.stdout
    told = [line for line in done.stdout.splitlines() if line.startswith("this node cannot be prepared: ")]
    assert len(told) == 5
    for words in ("and needs 99999999: raise min-ram", "/ has ", "needs one of: plan9:4", "install it", "no moon"):
        assert sum(words in line for line in told) == 1


def test_a_node_that_has_all_goes_on(tmp_path: Path) -> None:
    """A machine that was promised so much memory has a little less, and a version is compared as far as it is given."""
    total = int(Path("/proc/meminfo").read_text().split()[1]) // 1024
    done = script(
        f"need_ram {total}; need_ram {total * 110 // 100}; need_disk 0; need_command bash 'build one'\n"
        '. /etc/os-release; need_os "plan9:4" "$ID:${VERSION_ID%%.*}"; needs_met; echo went on'
    )
    assert (done.returncode, done.stdout) == (0, "went on\n")
