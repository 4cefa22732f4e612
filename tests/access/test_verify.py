"""Verify-scripts on a real machine: their end, their words and their time."""

import pytest

from nodepool_lite.access.script import Verification, place_scripts, verify
from nodepool_lite.access.session import Session
from nodepool_lite.model.errors import VerifyError


def verification(name: str, seconds: float = 20) -> Verification:
    """Return a call of a script on the stand-in."""
    return Verification(name, "node-1", {"NODEPOOL_LABEL": "rdo"}, seconds)


def test_a_script_that_ends_with_0_is_content(session: Session) -> None:
    """It runs where ready-scripts do, with the same argument and variables, and what it needs beside it."""
    test = b'#!/bin/sh\n. ./names.sh\n[ "$1 $NODEPOOL_LABEL $wanted" = "node-1 rdo yes" ]\n'
    place_scripts(session, {"verify_good.sh": test, "names.sh": b"wanted=yes\n"})
    assert verify(session, verification("verify_good.sh"))


def test_what_it_said_last_is_the_reason(session: Session) -> None:
    """On either output; its input is empty."""
    text = b"#!/bin/sh\ncat\necho looking\necho keystone does not answer >&2\nexit 3\n"
    place_scripts(session, {"verify_bad.sh": text})
    with pytest.raises(VerifyError, match=r"^verify_bad\.sh ended with status 3: looking \| keystone does not answer$"):
        verify(session, verification("verify_bad.sh"))


def test_a_script_that_hangs_is_ended_in_time(session: Session) -> None:
    """And the connection stays good."""
    place_scripts(session, {"verify_slow.sh": b"#!/bin/sh\necho asking\nexec sleep 611\n"})
    with pytest.raises(VerifyError, match="did not end within 1 s: asking"):
        verify(session, verification("verify_slow.sh", 1))
    assert session.script("pgrep -f 'sleep 61[1]' || echo none", 20).stdout == b"none\n"


def test_a_script_that_is_not_there_is_told(session: Session) -> None:
    """What that means depends on when the node was prepared."""
    assert not verify(session, verification("verify_none.sh"))


def test_names_with_directories_are_refused(session: Session) -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match="without a directory"):
        place_scripts(session, {"../x": b""})
    with pytest.raises(ValueError, match="without a directory"):
        verification("a/b")
