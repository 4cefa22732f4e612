"""That a seed is one story, and the same one whenever and wherever it is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.__main__ import main
from tests.simulation.mutations import MUTATIONS
from tests.simulation.run import run
from tests.simulation.universe import Universe

pytestmark = pytest.mark.uncounted
ROOT = Path(__file__).parents[2]


def simulated(*arguments: str, hash_seed: str = "1") -> subprocess.CompletedProcess[str]:
    """Return what a new process says, in which sets have an order of their own."""
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def told(seed: int, hash_seed: str) -> str:
    """Return the story of a seed in which every promise is kept."""
    done = simulated("--seed", str(seed), "--story", hash_seed=hash_seed)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("seed", [1, 7, 4360])
def test_a_seed_tells_the_same_story_in_every_process(seed: int) -> None:
    """Line by line: so a failure that was seen once can be seen again, anywhere."""
    once = told(seed, "1")
    assert once == told(seed, "2")
    assert once.endswith(f"seed {seed}: every promise was kept\n")
    assert len(once.splitlines()) > 100


def test_another_seed_tells_another_story() -> None:
    """Otherwise nothing would be drawn from it."""
    assert told(2, "1") != told(3, "1")


def test_a_seed_that_fails_tells_its_story_and_fails_again() -> None:
    """What broke, and all that came before: the same in another process, without being asked for it."""
    failing = ("--seed", "0", "--mutation", "writes are not compared with what was read")
    once, again = simulated(*failing), simulated(*failing, hash_seed="2")
    assert once.returncode == 1
    assert once.stdout == again.stdout
    *story, verdict = once.stdout.splitlines()
    assert len(story) > 100
    assert verdict == "seed 0: node 0000000002 went from deleting to building"


def test_an_error_that_nobody_foresaw_has_its_story_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no reason to lose what the other seeds tell."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError("nobody foresaw it")

    monkeypatch.setattr(Universe, "settle", fail)
    outcome = run(3)
    assert outcome.broken.startswith("an unforeseen error: Traceback")
    assert "ZeroDivisionError: nobody foresaw it" in outcome.broken
    assert len(outcome.story.splitlines()) > 100


def test_many_seeds_name_those_that_fail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its story, and with the command that tells it again."""
    monkeypatch.setattr(sys, "argv", ["simulation", "--seeds", "3", "--jobs", "1"])
    with MUTATIONS["writes are not compared with what was read"]():
        assert main() == 1
    *_, last = (said := capsys.readouterr().out).splitlines()
    assert last.startswith("broken: python -m tests.simulation --seed ")
    assert f"seed {last.split()[5]}: " in said
