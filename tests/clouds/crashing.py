"""Run as a program: kill a launcher before each line of the driver's code, and look at what is left.

A forked child creates (`create`) or deletes (`delete`) a server and is killed (SIGKILL) before it runs its n-th line.
Then another driver must find no server or one with the node's mark, and delete it without a trace. One line of JSON
per n goes to standard output; the last one is the call that came to its end.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from nodepool_lite.clouds.qemu import QemuDriver, process
from nodepool_lite.model.errors import TryAgainLaterError
from tests.program import naming

from . import worlds

_PATIENCE = 20.0
_DRIVER = Path(process.__file__).parent
_FILES = {
    "create": ("configdrive", "disk", "driver", "images", "locks", "process", "qmp", "records", "servers"),
    "delete": ("driver", "locks", "records", "servers"),
}
"""The files whose lines count: those that change something."""


def die_at(count: int, code: frozenset[str]) -> None:
    """Let this process die before it runs its `count`-th line of these files from now."""
    left = [count]

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        if frame.f_code.co_filename not in code:
            return None
        if event == "line":
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


def do_and_die(call: Callable[[], object], count: int, code: frozenset[str]) -> bool:
    """Let a child call and die at line `count`; return whether it came to the end."""
    child = os.fork()
    if child == 0:
        die_at(count, code)
        call()
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in {0, -signal.SIGKILL}, f"the child ended with {status}"
    return status == 0


def clean_up(driver: QemuDriver, servers: Path) -> None:
    """Delete what is listed until nothing is left; fail when something stays."""
    deadline, pause = time.monotonic() + _PATIENCE, threading.Event()
    while True:
        for server in driver.list_servers():
            with contextlib.suppress(TryAgainLaterError):
                driver.delete_server(server.id)
        if not list(servers.iterdir()):
            return
        assert time.monotonic() < deadline, f"left behind: {sorted(servers.rglob('*'))}"
        pause.wait(0.05)


def main(directory: Path, what: str) -> None:
    """Try every line in turn, until a call comes to its end."""
    code = frozenset(str(_DRIVER / f"{name}.py") for name in _FILES[what])
    with worlds.qemu(directory) as world:
        driver = world.open("pool-1")
        assert isinstance(driver, QemuDriver)
        asked, count, finished = worlds.spec(world.image(driver)), 0, False
        servers = directory / "state" / "qemu" / worlds.PROVIDER / "servers"
        while not finished:
            count += 1
            if what == "create":
                call = partial(driver.create_server, asked)
            else:
                call = partial(driver.delete_server, driver.create_server(asked))
            finished = do_and_die(call, count, code)
            found = [(each.node_id, each.attempt, each.state, each.fault) for each in driver.list_servers()]
            clean_up(driver, servers)
            print(json.dumps({"count": count, "found": found, "left": naming(f"{servers}/")}))  # noqa: T201 - its result


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
