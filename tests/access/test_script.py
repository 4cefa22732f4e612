"""Ready-scripts on a real machine: run once, detached, found again by anybody, and ended when they must be."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodepool_lite.access.keys import KeyPair
from nodepool_lite.access.script import (
    OUTPUT_CHUNK,
    ScriptStart,
    ScriptStatus,
    last_step,
    poll_script,
    start_script,
    stop_script,
    tail_reason,
)
from nodepool_lite.access.script_programs import start_program
from nodepool_lite.access.session import Session, connect
from nodepool_lite.access.shell import RUNNER, program
from nodepool_lite.model.errors import RemoteError

from .guest import NO_SUDO, Guest

WORD = st.text(st.characters(exclude_characters="\0\n", exclude_categories=["Cs"]), max_size=20)
_NAME = st.text(st.characters(exclude_characters="\0\n/", exclude_categories=["Cs"]), min_size=1, max_size=20)
FILE_NAME = _NAME.filter(lambda name: name not in (".", ".."))


@pytest.fixture
def own(own_guest: Guest, key: KeyPair) -> Iterator[Session]:
    """A session of `jenkins` on the test's own stand-in."""
    session = connect(own_guest.target(), key, 20)
    yield session
    session.close()


def script(
    run_id: str,
    text: str | bytes | None,
    *,
    name: str = "ready.sh",
    hostname: str = "node-1",
    environment: Mapping[str, str] | None = None,
) -> ScriptStart:
    """Return a start of a /bin/sh script."""
    content = f"#!/bin/sh\n{text}\n".encode() if isinstance(text, str) else text
    return ScriptStart(run_id, name, {} if content is None else {name: content}, hostname, environment or {})


def finish(session: Session, run_id: str, seconds: float = 30) -> ScriptStatus:
    """Poll until the run has ended and return its last status, with all of its output."""
    deadline = time.monotonic() + seconds
    output, offset = b"", 0
    while True:
        status = poll_script(session, run_id, offset)
        output, offset = output + status.output, status.offset
        if not status.running and not status.output:
            return ScriptStatus(status.started, status.running, status.exit_status, output, offset)
        assert time.monotonic() < deadline, status
        time.sleep(0.05)


def wait_for_output(session: Session, run_id: str, text: bytes) -> None:
    """Return when the run has written `text`."""
    deadline = time.monotonic() + 30
    while text not in poll_script(session, run_id, 0).output:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_contract_of_the_old_nodepool_is_kept(guest: Guest, session: Session) -> None:
    """It runs in its directory, with the host name as argument and the NODEPOOL_ variables, as the login user."""
    text = 'echo "$PWD $0 $# $1 $NODEPOOL_X $(whoami) $(umask)"; cat; echo oops >&2; echo after; exit 3'
    start_script(session, script("contract", text, environment={"NODEPOOL_X": "a 'b' $c"}))
    status = finish(session, "contract")
    assert status.exit_status == 3
    assert status.output == b"/opt/nodepool-scripts ./ready.sh 1 node-1 a 'b' $c jenkins 0022\noops\nafter\n"
    assert guest.do("stat -c '%a' /opt/nodepool-scripts/ready.sh") == "755\n"


def test_nothing_of_the_start_is_left_for_the_user_of_the_node(guest: Guest, session: Session) -> None:
    """Variables may be secret: they are in no file, and the run's directory is for the login user only."""
    start_script(session, script("left", "true", environment={"NODEPOOL_SECRET": "hunter2"}))
    finish(session, "left")
    assert guest.do("ls -A /home/jenkins/.nodepool/run/left").split() == ["output", "start", "status"]
    assert guest.attempt("grep -r hunter2 /home/jenkins/.nodepool /opt")[0] == 1
    assert guest.do("stat -c %a /home/jenkins/.nodepool/run/left") == "700\n"


def test_a_run_that_nobody_started_is_told(session: Session) -> None:
    """Not started is not lost."""
    status = poll_script(session, "never", 0)
    assert (status.started, status.running, status.lost) == (False, False, False)


def test_a_second_launcher_takes_the_same_run_up(own_guest: Guest, own: Session, key: KeyPair) -> None:
    """The first launcher dies with its connection; the script goes on, and starting it again changes nothing."""
    run = script("taken-up", "echo begin >> ~/runs; echo first; while [ ! -e ~/go ]; do sleep 0.1; done; echo second")
    start_script(own, run)
    wait_for_output(own, "taken-up", b"first\n")
    own.close()
    own_guest.do("pkill -9 -u jenkins sshd || true")
    second = connect(own_guest.target(), key, 20)
    start_script(second, run)
    assert poll_script(second, "taken-up", 0).running
    own_guest.do("touch /home/jenkins/go")
    status = finish(second, "taken-up")
    assert (status.exit_status, status.output) == (0, b"first\nsecond\n")
    assert own_guest.do("cat /home/jenkins/runs") == "begin\n"
    start_script(second, run)
    assert own_guest.do("cat /home/jenkins/runs") == "begin\n"
    second.close()


def test_many_starts_at_once_run_it_once(guest: Guest, session: Session, key: KeyPair) -> None:
    """Eight launchers that all believe to be the one: one run, and all see it as started."""
    run = script("at-once", 'echo "run $$"; sleep 0.3')
    sessions = [connect(guest.target(), key, 20) for _ in range(4)]
    with ThreadPoolExecutor(8) as workers:
        list(workers.map(lambda each: start_script(each, run), sessions * 2))
    status = finish(session, "at-once")
    assert status.exit_status == 0
    assert status.output.count(b"run ") == 1
    for each in sessions:
        each.close()
    assert guest.do("ls -A /home/jenkins/.nodepool/run/at-once").split() == ["output", "start", "status"]


def test_a_start_that_died_before_the_script_ran_is_made_good(guest: Guest, session: Session) -> None:
    """Killed after the upload, wherever: the next start runs the script, once."""
    run = script("half", "echo once >> ~/half-runs")
    body = start_program("half", "0123456789ab", name=run.name, files=run.files, hostname="h", environment={})
    before, _, _ = body.partition("setsid sh")
    session.run(RUNNER, 20, program(before + "\nkill -9 $$", "mark"))
    assert not poll_script(session, "half", 0).started
    start_script(session, run)
    assert finish(session, "half").exit_status == 0
    assert guest.do("cat /home/jenkins/half-runs") == "once\n"


def test_a_node_that_was_restarted_has_lost_the_run(own_guest: Guest, own: Session, key: KeyPair) -> None:
    """Neither running nor ended: lost, and its output up to then is still there."""
    start_script(own, script("lost", "echo working; sleep 600"))
    wait_for_output(own, "lost", b"working\n")
    own_guest.reboot()
    session = connect(own_guest.target(), key, 20)
    status = poll_script(session, "lost", 0)
    assert (status.started, status.running, status.exit_status, status.lost) == (True, False, None, True)
    assert status.output == b"working\n"
    stop_script(session, "lost")
    assert poll_script(session, "lost", 0).lost
    session.close()


def test_a_supervisor_that_was_killed_has_lost_the_run(guest: Guest, session: Session) -> None:
    """Without a restart as well, as when memory ran out."""
    start_script(session, script("killed", "echo working; sleep 600"))
    wait_for_output(session, "killed", b"working\n")
    guest.do("kill -9 $(cut -d ' ' -f 1 /home/jenkins/.nodepool/run/killed/start)")
    assert poll_script(session, "killed", 0).lost
    stop_script(session, "killed")
    assert guest.attempt("pgrep -u jenkins sleep")[0] == 1


def test_output_is_read_in_pieces_of_bounded_size(session: Session) -> None:
    """What has been read is not read again; binary output comes through as it was."""
    size = OUTPUT_CHUNK + 1000
    start_script(session, script("large", f"head -c {size} /dev/zero; printf '\\377end'"))
    status = finish(session, "large")
    assert status.output == bytes(size) + b"\xffend"
    first = poll_script(session, "large", 0)
    assert (len(first.output), first.offset, first.exit_status) == (OUTPUT_CHUNK, OUTPUT_CHUNK, 0)
    rest = poll_script(session, "large", first.offset)
    assert (len(rest.output), rest.offset) == (1004, size + 4)
    assert poll_script(session, "large", rest.offset).output == b""


def test_a_run_that_is_stopped_leaves_no_process(guest: Guest, session: Session) -> None:
    """Children, background jobs and process groups of their own go with it; the status says how it ended."""
    start_script(session, script("stopped", "sleep 601 & timeout 602 sleep 603 & echo on; sleep 604"))
    wait_for_output(session, "stopped", b"on\n")
    stop_script(session, "stopped")
    status = poll_script(session, "stopped", 0)
    assert (status.running, status.exit_status) == (False, 143)
    assert guest.attempt("pgrep -f 'sleep 60'")[0] == 1


def test_a_run_that_ignores_the_request_is_killed(guest: Guest, session: Session) -> None:
    """After the grace, and with an exit status for the record."""
    start_script(session, script("stubborn", "trap '' TERM HUP INT; echo on; while :; do sleep 0.2; done"))
    wait_for_output(session, "stubborn", b"on\n")
    stop_script(session, "stubborn", grace=0.5)
    status = poll_script(session, "stubborn", 0)
    assert (status.running, status.exit_status, status.lost) == (False, 137, False)
    assert guest.attempt("pgrep -f ready.sh")[0] == 1


def test_what_runs_as_root_is_stopped_too(guest: Guest, session: Session) -> None:
    """Ready-scripts use sudo; the login user alone could not end that."""
    start_script(session, script("as-root", "trap '' TERM; echo on; sudo sh -c 'trap \"\" TERM; sleep 605; sleep 605'"))
    wait_for_output(session, "as-root", b"on\n")
    guest.do("until pgrep -f 'sleep 605' > /dev/null; do sleep 0.1; done")
    stop_script(session, "as-root", grace=0.5)
    assert guest.attempt("pgrep -f 'sleep 605'")[0] == 1


def test_stopping_what_has_ended_changes_nothing(guest: Guest, session: Session) -> None:
    """A script may leave a service running; that is its business, and its status stays."""
    start_script(session, script("ended", "sleep 606 & exit 4"))
    assert finish(session, "ended").exit_status == 4
    stop_script(session, "ended")
    stop_script(session, "never-started")
    assert poll_script(session, "ended", 0).exit_status == 4
    guest.do("pkill -f 'sleep 606'")


def test_a_script_of_the_image_is_run_from_there(guest: Guest, session: Session) -> None:
    """Nothing is uploaded when nothing is given."""
    guest.do("mkdir -p /opt/nodepool-scripts")
    guest.do("printf '#!/bin/sh\\necho from the image\\n' > /opt/nodepool-scripts/own.sh")
    guest.do("chmod 0755 /opt/nodepool-scripts/own.sh")
    start_script(session, script("image", None, name="own.sh"))
    assert finish(session, "image").output == b"from the image\n"


def test_a_script_that_is_nowhere_is_told(session: Session) -> None:
    """The error names the script and both places; the run is not used up."""
    with pytest.raises(RemoteError, match=r"missing\.sh.*/opt/nodepool-scripts.*scripts-dir"):
        start_script(session, script("nowhere", None, name="missing.sh"))
    assert not poll_script(session, "nowhere", 0).started


def test_a_changed_script_replaces_the_one_of_the_image(guest: Guest, session: Session) -> None:
    """Scripts of the pool's host win, and need no new image."""
    guest.do("mkdir -p /opt/nodepool-scripts && echo old > /opt/nodepool-scripts/changed.sh")
    start_script(session, script("changed", "echo new", name="changed.sh"))
    assert finish(session, "changed").output == b"new\n"


def test_what_a_script_needs_is_beside_it(session: Session) -> None:
    """A library to source, a program to call: both in the working directory, executable."""
    files = {
        "uses.sh": b"#!/bin/bash\n. ./lib.sh\n./tool.sh\n",
        "lib.sh": b"echo library\n",
        "tool.sh": b"#!/bin/sh\necho tool\n",
    }
    start_script(session, ScriptStart("beside", "uses.sh", files, "h", {}))
    assert finish(session, "beside").output == b"library\ntool\n"
    assert session.script("ls -A /opt/nodepool-scripts", 20).stdout.find(b".new") == -1


def test_without_sudo_the_script_goes_to_the_home_directory(own_guest: Guest, key: KeyPair) -> None:
    """A user who may write nowhere else still runs ready-scripts."""
    session = connect(own_guest.target(NO_SUDO), key, 20)
    start_script(session, script("home", 'echo "$PWD $0"'))
    assert finish(session, "home").output == b"/home/nosudo/.nodepool/scripts ./ready.sh\n"
    session.close()


def test_a_home_that_cannot_be_written_is_told(own_guest: Guest, own: Session) -> None:
    """The error says what could not be made."""
    own_guest.do("chown root /home/jenkins && chmod 0755 /home/jenkins")
    with pytest.raises(RemoteError, match=r"/home/jenkins/\.nodepool/run/no-home cannot be made"):
        start_script(own, script("no-home", "true"))


def test_a_script_with_bash_and_one_without_a_first_line_run(session: Session) -> None:
    """What the kernel or the shell can run is run; what cannot be run says so in its output and status."""
    start_script(session, script("bash", b"#!/bin/bash\n[[ 1 == 1 ]] && echo bash\n"))
    assert finish(session, "bash").output == b"bash\n"
    start_script(session, script("plain", b"echo plain\n"))
    assert finish(session, "plain").output == b"plain\n"
    start_script(session, script("broken", b"#!/no/such/interpreter\n"))
    status = finish(session, "broken")
    assert status.exit_status in (126, 127)
    assert b"not found" in status.output or b"No such file" in status.output


def test_a_signal_that_ends_the_script_is_in_its_status(session: Session) -> None:
    """128 and the signal's number, as shells say it."""
    start_script(session, script("signal", "kill -SEGV $$"))
    assert finish(session, "signal").exit_status == 139


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_both_shells_that_distributions_call_sh_do(own_guest: Guest, key: KeyPair, shell: str) -> None:
    """Debian's sh is dash, CentOS' sh is bash: start, poll and stop work by each."""
    own_guest.do(f"cp /bin/{shell} /run/sh && mount --bind /run/sh $(readlink -f /bin/sh)")
    session = connect(own_guest.target(), key, 20)
    assert session.script('readlink /proc/$$/exe; echo "${BASH_VERSION:+bash}"', 20).stdout.endswith(
        b"bash\n" if shell == "bash" else b"\n\n"
    )
    start_script(session, script("one", 'echo "$1 $NODEPOOL_X"; exit 5', environment={"NODEPOOL_X": "it's"}))
    status = finish(session, "one")
    assert (status.exit_status, status.output) == (5, b"node-1 it's\n")
    start_script(session, script("two", "echo on; sleep 607"))
    wait_for_output(session, "two", b"on\n")
    stop_script(session, "two")
    assert poll_script(session, "two", 0).exit_status == 143
    session.close()


@settings(
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(name=FILE_NAME, hostname=WORD, value=WORD | st.just("two\nlines"), number=st.integers(0, 10**12))
def test_no_character_of_names_and_values_means_anything(
    session: Session, name: str, hostname: str, value: str, number: int
) -> None:
    """Whatever a script, a host or a variable is called or holds, it arrives as it is and runs nothing."""
    run_id = f"quoted-{number}"
    text = 'printf "%s\\0%s\\0%s" "$0" "$1" "$NODEPOOL_VALUE"; sudo rm -- "$0"'
    content = f"#!/bin/sh\n{text}\n".encode()
    start_script(session, ScriptStart(run_id, name, {name: content}, hostname, {"NODEPOOL_VALUE": value}))
    wait = 'cd "$HOME/.nodepool/run" && until [ -e RUN/status ]; do sleep 0.05; done; cat RUN/output; rm -r RUN'
    output = session.script(wait.replace("RUN", run_id), 30)
    assert output.stdout.decode().split("\0") == [f"./{name}", hostname, value]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"run_id": "a/b"}, "run id"),
        ({"run_id": "../x"}, "run id"),
        ({"run_id": ""}, "run id"),
        ({"run_id": "$(id)"}, "run id"),
        ({"name": "a/b"}, "without a directory"),
        ({"name": ""}, "without a directory"),
        ({"name": ".."}, "without a directory"),
        ({"name": "a\nb"}, "without a directory"),
        ({"files": {"a/b": b""}}, "without a directory"),
        ({"hostname": "a\nb"}, "line break"),
        ({"environment": {"PATH": "/tmp"}}, r"NODEPOOL_\*"),
        ({"environment": {"NODEPOOL_A;id": ""}}, r"NODEPOOL_\*"),
        ({"environment": {"NODEPOOL_A": "\0"}}, "NUL"),
    ],
)
def test_what_can_be_no_run_is_refused(fields: dict[str, object], words: str) -> None:
    """Before anything is sent to a node."""
    values: dict[str, object] = {"run_id": "1-1", "name": "x", "files": {}, "hostname": "h", "environment": {}}
    with pytest.raises(ValueError, match=words):
        ScriptStart(**(values | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("output", "step"),
    [
        (b"", ""),
        (b"\n \n", ""),
        (b"one\ntwo\n\n", "two"),
        (b"::step:: install\nnoise\n::step::  configure keystone \nmore noise\n", "configure keystone"),
        (b"\x1b[32mgreen\x1b[0m\x1b]0;title\x07\n", "green"),
        (b" 10%\r 20%\r 30%\r\n", "30%"),
        (b"caf\xc3\xa9 \xff\x00\x07\n", "caf\u00e9 \ufffd"),
        (b"x" * 1000, "x" * 200),
    ],
)
def test_the_step_is_what_the_script_said_last(output: bytes, step: str) -> None:
    """An announced step wins over noise; nothing in it can disturb a terminal."""
    assert last_step(output) == step


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (b"", ""),
        (b"a\n\nb\n", "a | b"),
        (b"1\n2\n3\n4\n5\n6\n", "2 | 3 | 4 | 5 | 6"),
        (b"E: no such package\n+ exit 1\n++ true\n::step:: x\n", "E: no such package"),
        (b"+ exit 1\n", "+ exit 1"),
    ],
)
def test_the_reason_is_the_end_of_what_the_script_said(output: bytes, reason: str) -> None:
    """Few lines, in one, without traces."""
    assert tail_reason(output) == reason
