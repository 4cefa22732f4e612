"""What happens on the host: packages, the namespaces' beginning and end, and what the person at the terminal asks."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import packages
from .enclosure import Enclosure
from .place import CloudError, Mode, Place
from .say import began, say


def install(place: Place) -> None:
    """Install all packages that a cloud needs."""
    _need_root()
    place.make()
    with _alone(place):
        packages.install(place, Mode.FULL)


def up(place: Place, wanted: Mode) -> None:
    """Bring the cloud up, or complete one that runs; what was begun and not finished is begun again."""
    _need_root()
    place.make()
    with _alone(place):
        packages.install(place, wanted)
        enclosure = Enclosure(place)
        there = _mode(place) if enclosure.process else None
        if there is None:
            _clear(place, enclosure)
            _forget_logs(place)
            enclosure.create()
            say("namespaces made")
        mode = there if there is Mode.FULL else wanted
        _inside(enclosure, "up", mode)
        place.ready_mark.write_text(mode)
    say(f"the cloud is up ({mode}): export OS_CLIENT_CONFIG_FILE={place.clouds_yaml} OS_CLOUD=one")


def down(place: Place, *, forget: bool) -> None:
    """End the cloud and drop what it held; `forget` drops everything that would make the next start fast, too."""
    _need_root()
    if not place.home.exists():
        return
    with _alone(place):
        _clear(place, Enclosure(place))
        if forget:
            shutil.rmtree(place.home)
    say("the cloud is down")


def status(place: Place) -> int:
    """Show what runs; return 0 when the cloud is complete, 3 when it is down, 1 when a part of it is missing."""
    enclosure = Enclosure(place)
    if enclosure.process is None:
        sys.stdout.write("the cloud is down\n")
        return 3
    mode = _mode(place)
    if mode is None:
        sys.stdout.write("the cloud is starting, or its start was broken off\n")
        return 1
    return _inside(enclosure, "status", mode, check=False)


def service(place: Place, action: str, name: str) -> None:
    """Stop, kill, start or restart one service of a running cloud."""
    with _alone(place):
        _inside(Enclosure(place), "service", _mode(place) or Mode.FULL, action, name)


def enter(place: Place, command: list[str]) -> int:
    """Run a command, by default a shell, where the cloud's services run; return its exit status."""
    enclosure = Enclosure(place)
    inside = enclosure.command(*(command or ["/bin/bash"]))
    return subprocess.run(inside, env=enclosure.environment(), check=False).returncode


def _inside(enclosure: Enclosure, *words: str, check: bool = True) -> int:
    command = enclosure.command("/usr/bin/python3", "-m", "stack", "inside", *words)
    done = subprocess.run(command, env={**enclosure.environment(), **began()}, check=False)
    if check and done.returncode:
        raise CloudError(f"tests/cloud/{words[0]}: not finished, see above")
    return done.returncode


def _mode(place: Place) -> Mode | None:
    return Mode(place.ready_mark.read_text()) if place.ready_mark.exists() else None


def _clear(place: Place, enclosure: Enclosure) -> None:
    enclosure.destroy()
    place.clouds_yaml.unlink(missing_ok=True)
    for directory in (place.run, place.data, place.etc):
        shutil.rmtree(directory, ignore_errors=True)
    place.make()


def _forget_logs(place: Place) -> None:
    for log in set(place.log.glob("*")) - {place.log / "apt.log"}:
        shutil.rmtree(log) if log.is_dir() else log.unlink()


@contextmanager
def _alone(place: Place) -> Iterator[None]:
    """Keep two of us from working on one cloud at the same time."""
    with Path(place.home, "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _need_root() -> None:
    if os.geteuid() != 0:
        raise CloudError("namespaces, bridges and packages need root: use sudo")
