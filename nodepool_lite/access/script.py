"""Running a ready-script on a node, detached, so that any launcher can take the same run up again.

A line of its output that starts with `::step:: ` names the step it is at, for the people who wait for the node.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from nodepool_lite.access.script_programs import (
    place_program,
    poll_program,
    start_program,
    stop_program,
    verify_program,
)
from nodepool_lite.access.session import Session
from nodepool_lite.model.errors import RemoteError, SessionLostError, VerifyError

OUTPUT_CHUNK = 256 * 1024
"""The most bytes of output that one poll returns."""
STEP_MARK = "::step::"
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VARIABLE = re.compile(r"NODEPOOL_[A-Za-z0-9_]+")
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[@-Z\\-_])")
_STEP_LENGTH = 200
_VERIFY_MARGIN = 30.0
"""Seconds beyond a verify-script's own time until its connection is given up."""
_TIMED_OUT = (124, 137)
"""What coreutils' `timeout` ends with, by TERM and by KILL."""
_REASON_LENGTH = 600


@dataclass(frozen=True, slots=True)
class ScriptStart:
    """One run: `cd /opt/nodepool-scripts && NODEPOOL_X=... ./NAME HOSTNAME`, as the login user.

    `files` are put there first, by name; a script that is not among them is in the image. `environment` takes
    NODEPOOL_* variables only.
    """

    run_id: str
    name: str
    files: Mapping[str, bytes] = field(repr=False)
    hostname: str
    environment: Mapping[str, str] = field(repr=False)

    def __post_init__(self) -> None:
        _check_run_id(self.run_id)
        for name in (self.name, *self.files):
            _check_name(name)
        _check_call(self.hostname, self.environment)


@dataclass(frozen=True, slots=True)
class Verification:
    """One call of a verify-script that is on the node: `seconds` is how long it may take."""

    name: str
    hostname: str
    environment: Mapping[str, str] = field(repr=False)
    seconds: float

    def __post_init__(self) -> None:
        _check_name(self.name)
        _check_call(self.hostname, self.environment)


@dataclass(frozen=True, slots=True)
class ScriptStatus:
    """How far a run is. With `exit_status` set there may still be output to read: poll until none comes."""

    started: bool
    running: bool = False
    exit_status: int | None = None
    output: bytes = field(default=b"", repr=False)
    """What was written since the offset that was asked for, at most OUTPUT_CHUNK bytes."""
    offset: int = 0
    """Where the next poll goes on."""

    @property
    def lost(self) -> bool:
        """It was started, does not run and left no exit status: the node was restarted, or the run was killed."""
        return self.started and not self.running and self.exit_status is None


def start_script(session: Session, run: ScriptStart, timeout: float = 60) -> None:
    """Put the files in place and start the script, in one round trip; a run that was started before is left alone.

    They go to /opt/nodepool-scripts, with sudo where that is needed, or else to ~/.nodepool/scripts.

    Raises:
        SessionLostError: it is unknown whether it was started; start it again with the same run id.
        RemoteError: it cannot be started on this node, and was not.
    """
    body = start_program(
        run.run_id,
        secrets.token_hex(6),
        name=run.name,
        files=run.files,
        hostname=run.hostname,
        environment=run.environment,
    )
    result = session.script(body, timeout)
    answer, _, reason = result.stdout.decode(errors="replace").strip().partition(" ")
    if answer == "started":
        return
    if answer == "unclear":
        raise SessionLostError(f"{session.target}: ready-script {run.name} did not show that it started within 15 s")
    raise RemoteError(f"{session.target}: ready-script {run.name} cannot start: {reason or result.complaint}")


def poll_script(session: Session, run_id: str, offset: int, timeout: float = 60) -> ScriptStatus:
    """Return how the run stands and its output from byte `offset` on, in one round trip.

    Raises:
        SessionLostError: the connection ended, or the node did not answer in time; poll again.
        RemoteError: the node answered what makes no sense.
    """
    _check_run_id(run_id)
    result = session.script(poll_program(run_id, offset, OUTPUT_CHUNK), timeout)
    header, _, output = result.stdout.partition(b"\n")
    words = header.decode(errors="replace").split()
    if words == ["absent"]:
        return ScriptStatus(started=False, offset=offset)
    if len(words) != 2 or words[0] not in ("yes", "no") or not (words[1] == "none" or words[1].isdecimal()):  # noqa: PLR2004 - running, status
        raise RemoteError(f"{session.target}: run {run_id} cannot be read: {result.complaint}")
    status = None if words[1] == "none" else int(words[1])
    running = words[0] == "yes" and status is None
    return ScriptStatus(started=True, running=running, exit_status=status, output=output, offset=offset + len(output))


def place_scripts(session: Session, files: Mapping[str, bytes], timeout: float = 60) -> None:
    """Put files where ready-scripts are, as `start_script` does, and start nothing.

    Raises:
        SessionLostError: the connection ended, or the node did not answer in time; place them again.
        RemoteError: the node does not let us.
    """
    for name in files:
        _check_name(name)
    result = session.script(place_program(files, secrets.token_hex(6)), timeout)
    answer, _, reason = result.stdout.decode(errors="replace").strip().partition(" ")
    if answer != "placed":
        raise RemoteError(f"{session.target}: {reason or result.complaint}")


def verify(session: Session, call: Verification) -> bool:
    """Return True when the verify-script says that the node works, False when there is no such script on it.

    Raises:
        SessionLostError: the connection ended, or the node did not answer in time.
        VerifyError: the script ended otherwise than with 0, or took too long; the message has its last lines.
    """
    seconds = max(1, round(call.seconds))
    body = verify_program(call.name, hostname=call.hostname, environment=call.environment, seconds=seconds)
    result = session.script(body, seconds + _VERIFY_MARGIN)
    answer, _, output = result.stdout.partition(b"\n")
    if answer == b"absent":
        return False
    if result.exit_status == 0:
        return True
    late = result.exit_status in _TIMED_OUT
    what = f"did not end within {seconds} s" if late else f"ended with status {result.exit_status}"
    said = tail_reason(output, lines=2)
    raise VerifyError(f"{call.name} {what}" + (f": {said}" if said else ""))


def stop_script(session: Session, run_id: str, grace: float = 5, timeout: float = 60) -> None:
    """End every process of the run that is still in its session: TERM, `grace` seconds later KILL.

    Its exit status is then what the script made of it, or 137. A run that ended, or never started, is left alone.

    Raises:
        SessionLostError: the connection ended, or the node did not answer in time; stop it again.
    """
    _check_run_id(run_id)
    session.script(stop_program(run_id, grace), timeout)


def last_step(output: bytes) -> str:
    """Return the text of the last `::step::` line, or else the last line that says something; empty without any."""
    lines = _lines(output)
    steps = [line.removeprefix(STEP_MARK).strip() for line in lines if line.startswith(STEP_MARK)]
    return (steps or lines or [""])[-1][:_STEP_LENGTH]


def tail_reason(output: bytes, lines: int = 5) -> str:
    """Return the last lines that say something, joined by ` | `, for the reason why a script failed.

    What `set -x` traces, and step marks, count only when there is nothing else.
    """
    told = _lines(output)
    said = [line for line in told if not line.startswith(("+ ", "++", STEP_MARK))]
    return " | ".join((said or told)[-lines:])[-_REASON_LENGTH:]


def _lines(output: bytes) -> list[str]:
    """Return the non-empty lines without colours and control characters; a line redrawn is its last drawing."""
    lines = []
    for raw in _ESCAPES.sub("", output.decode(errors="replace")).split("\n"):
        drawn = raw.rstrip("\r").rpartition("\r")[2]
        clean = "".join(char for char in drawn if char.isprintable() or char == "\t").strip()
        if clean:
            lines.append(clean)
    return lines


def _is_word(text: str) -> bool:
    return "\0" not in text and "\n" not in text


def _check_name(name: str) -> None:
    if not name or "/" in name or name in (".", "..") or not _is_word(name):
        raise ValueError(f"ready-script {name!r}: expected the name of a file, without a directory")


def _check_call(hostname: str, environment: Mapping[str, str]) -> None:
    if not _is_word(hostname):
        raise ValueError(f"hostname {hostname!r} holds a NUL or a line break")
    for key, value in environment.items():
        if not _VARIABLE.fullmatch(key) or "\0" in value:
            raise ValueError(f"variable {key!r}: ready-scripts get NODEPOOL_* variables, without NUL in their value")


def _check_run_id(run_id: str) -> None:
    if not _RUN_ID.fullmatch(run_id):
        raise ValueError(f"run id {run_id!r}: expected letters, digits, dots, underscores and hyphens")
