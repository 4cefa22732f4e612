"""The cloud's own ceiling: plain requests from a few threads, and the cheapest look there is at what came of them."""

import statistics
import threading
import time
import uuid
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

from openstack.connection import Connection

from tests.cloud.many import Stage
from tests.meter import Mark

MICROVERSION = "2.90"
SINGLES = 5
"""Servers that are made one after the other to see what a single one takes."""


class Raw:
    """Makes and deletes servers of the same kind as the others' nodes."""

    pause = 0.3
    pid = None

    def __init__(self, stage: Stage, member: Connection, threads: int) -> None:
        self._stage = stage
        self._session = member.session
        self._url = stage.proxy.url("compute", "v2.1")
        self._threads = ThreadPoolExecutor(threads)
        self._tag = f"raw-{uuid.uuid4().hex[:8]}"
        self._lock = threading.Lock()
        self._made: list[str] = []
        self._body: dict[str, Any] = {
            "name": self._tag,
            "imageRef": member.image.find_image("empty", ignore_missing=False).id,
            "flavorRef": member.compute.find_flavor("tiny", ignore_missing=False).id,
            "networks": [{"uuid": member.network.find_network("bulk", ignore_missing=False).id}],
            "availability_zone": "fake",
            "config_drive": True,
            "tags": [self._tag],
        }

    def mark(self) -> Mark:
        """Note what was asked until now."""
        return Mark(len(self._stage.proxy.calls), 0, time.monotonic())

    def want(self, count: int) -> Mark:
        """Start the requests."""
        before = self.mark()
        for _ in range(count):
            self._threads.submit(self.post)
        return before

    def post(self) -> str:
        """Ask for one server and return its id."""
        made = self._ask("POST", "/servers", json={"server": self._body})["server"]["id"]
        with self._lock:
            self._made.append(made)
        return str(made)

    def status(self, server: str) -> str:
        """Return what Nova says of one server."""
        return str(self._ask("GET", f"/servers/{server}")["server"]["status"])

    def ready(self) -> Collection[str]:
        """Ask for the ids of the servers that run."""
        return self._list(status="ACTIVE")

    def lose(self) -> None:
        """Nothing would replace it."""

    def end(self) -> Mark:
        """Delete all servers."""
        before = self.mark()
        with self._lock:
            for server in self._made:
                self._threads.submit(self._ask, "DELETE", f"/servers/{server}")
            self._made.clear()
        return before

    def left(self) -> int:
        """Ask which servers are there."""
        return len(self._list())

    def close(self) -> None:
        """Leave nothing."""
        self.end()
        self._threads.shutdown()

    def _list(self, **query: str) -> Collection[str]:
        return [each["id"] for each in self._ask("GET", "/servers", params={"tags": self._tag, **query})["servers"]]

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        headers = {"OpenStack-API-Version": f"compute {MICROVERSION}"}
        answer = self._session.request(self._url + path, method, headers=headers, **options)
        return answer.json() if answer.content else None


@contextmanager
def raw(stage: Stage, threads: int) -> Iterator[Raw]:
    """Be ready to make requests through the counting proxy during this block."""
    with closing(stage.connect()) as member, closing(Raw(stage, member, threads)) as running:
        yield running


def single(stage: Stage) -> float:
    """Return the seconds from the request for a server until it runs, with nothing else asked of the cloud."""
    took = []
    with raw(stage, 1) as running:
        for _ in range(SINGLES):
            began = time.monotonic()
            server = running.post()
            while running.status(server) == "BUILD":
                time.sleep(0.05)
            took.append(time.monotonic() - began)
            running.end()
            while running.left():
                time.sleep(running.pause)
    return statistics.median(took)
