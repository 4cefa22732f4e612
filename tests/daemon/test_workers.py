"""The threads behind the loop: bounded, fair between nodes and clouds, and ended in time."""

import threading
import time
from collections.abc import Iterator

import pytest

from nodepool_lite.actions.context import DONE, Outcome
from nodepool_lite.daemon.workers import ThreadWorkers
from nodepool_lite.plan.actions import Action, CreateServer, ListServers, TestLogin
from nodepool_lite.plan.image_actions import StartBuild

LOGIN = TestLogin(at=0, node="0000000001", version=0)
LIST = ListServers(at=0, provider="local")
BUILD = StartBuild(at=0, diskimage="debian-12", formats=("qcow2",))
PATIENCE = 10.0


class Bench:
    """Two threads for each pool, and work that waits until the test lets it end."""

    def __init__(self) -> None:
        self.woken = threading.Semaphore(0)
        self.started = threading.Semaphore(0)
        self.gate = threading.Event()
        self.workers = ThreadWorkers(2, self.woken.release)
        self.begun: list[str] = []
        self.ended: list[str] = []

    def submit(self, action: Action, name: str, *, waits: bool = False) -> None:
        """Hand in work of that name."""

        def work() -> Outcome:
            self.begun.append(name)
            self.started.release()
            if waits:
                self.gate.wait(PATIENCE)
            return DONE

        self.workers.submit(action, work, lambda _outcome: self.ended.append(name))

    def await_ends(self, count: int) -> None:
        """Wait until that many pieces of work have told the loop."""
        for _ in range(count):
            assert self.woken.acquire(timeout=PATIENCE)


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Workers that are let go and closed in the end."""
    made = Bench()
    yield made
    made.gate.set()
    made.workers.close(PATIENCE)


def test_each_piece_of_work_tells_its_outcome_and_then_wakes_the_loop(bench: Bench) -> None:
    """In that order: what the loop finds when it wakes is complete."""
    bench.submit(LIST, "one")
    bench.await_ends(1)
    assert bench.ended == ["one"]


def test_work_beyond_the_bound_waits_for_a_thread(bench: Bench) -> None:
    """And is done when one is free."""
    for number in range(5):
        bench.submit(LOGIN, str(number), waits=True)
    for _ in range(2):
        assert bench.started.acquire(timeout=PATIENCE)
    assert sorted(bench.begun) == ["0", "1"]
    bench.gate.set()
    bench.await_ends(5)
    assert sorted(bench.ended) == ["0", "1", "2", "3", "4"]


def test_what_waits_for_a_thread_can_be_recalled_and_is_not_begun(bench: Bench) -> None:
    """What has begun goes on."""
    for number in range(2):
        bench.submit(LOGIN, str(number), waits=True)
        assert bench.started.acquire(timeout=PATIENCE)
    waiting = TestLogin(at=0, node="0000000002", version=0)
    bench.submit(waiting, "recalled")
    assert bench.workers.recall() == [waiting]
    assert bench.workers.recall() == []
    bench.gate.set()
    bench.await_ends(2)
    bench.submit(LOGIN, "later")
    bench.await_ends(1)
    assert sorted(bench.ended) == ["0", "1", "later"]


def test_nodes_that_do_not_answer_keep_no_thread_from_the_clouds(bench: Bench) -> None:
    """Every thread for nodes hangs in a login; a list and a build go on."""
    for number in range(5):
        bench.submit(LOGIN, f"login-{number}", waits=True)
    bench.submit(LIST, "list")
    bench.submit(BUILD, "build")
    bench.await_ends(2)
    assert sorted(bench.ended) == ["build", "list"]


def test_a_list_waits_for_nothing_else_that_is_asked_of_its_provider(bench: Bench) -> None:
    """Creations that wait for their turn fill the provider's threads, and hold up neither lists nor other providers."""
    for number in range(5):
        creation = CreateServer(at=0, node=str(number), version=0, provider="local")
        bench.submit(creation, f"creation-{number}", waits=True)
    bench.submit(LIST, "list")
    bench.submit(CreateServer(at=0, node="9", version=0, provider="other"), "elsewhere")
    bench.await_ends(2)
    assert sorted(bench.ended) == ["elsewhere", "list"]


def test_one_thread_does_many_pieces_of_work_in_turn(bench: Bench) -> None:
    """Threads are started only when none is free."""
    for number in range(20):
        bench.submit(LIST, str(number))
        bench.await_ends(1)
    names = {thread.name for thread in threading.enumerate() if thread.name.startswith(f"{LIST.lane}-")}
    assert 1 <= len(names) <= 2
    assert len(bench.ended) == 20


def test_closing_does_not_wait_for_a_list(bench: Bench) -> None:
    """It only looks, so nothing is lost with it; a creation is waited for, because its answer is."""
    bench.submit(LIST, "list", waits=True)
    began = time.monotonic()
    bench.workers.close(PATIENCE)
    assert time.monotonic() - began < PATIENCE / 2
    assert bench.ended == []


def test_closing_takes_no_longer_than_it_may_in_all(bench: Bench) -> None:
    """However many threads hang."""
    for number in range(4):
        bench.submit(LOGIN, str(number), waits=True)
        bench.submit(BUILD, f"build-{number}", waits=True)
    began = time.monotonic()
    bench.workers.close(0.2)
    assert time.monotonic() - began < 3.0
