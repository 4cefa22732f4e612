"""A real daemon as a process of its own, but that its simulated cloud is in another one: member.py CONFIG ADDRESS."""

import sys
from pathlib import Path
from typing import Any

from nodepool_lite.cli.failures import status_of
from nodepool_lite.daemon import live
from nodepool_lite.daemon.run import run
from tests.daemon.hub import RemoteDriver


def main(config: str, address: str) -> int:
    """Play the launcher until a signal comes."""

    def open_driver(_provider: Any, *, pool_id: str, **_others: Any) -> RemoteDriver:
        return RemoteDriver(address, pool_id)

    live.open_driver = open_driver
    return status_of(lambda: run(Path(config), frozenset({"launcher"})))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
