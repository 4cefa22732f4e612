"""How often a cloud is called, and how many calls there are side by side."""

import threading
from collections.abc import Callable

import pytest

from nodepool_lite.clouds.openstack.gate import FEWEST, MOST, Gate
from nodepool_lite.clouds.openstack.turnstile import FIRST_SLOWDOWN, SLOWEST, Turnstile
from nodepool_lite.model.errors import TryAgainLaterError

PATIENCE = 10.0


class Time:
    """Monotonic time that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return seconds."""
        return self.now


def in_thread(work: Callable[[], object]) -> threading.Thread:
    """Start work and return its thread."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def queued(turnstile: Turnstile, count: int) -> None:
    """Wait until so many stand before the turnstile."""
    pause = threading.Event()
    for _ in range(1000):
        if len(turnstile._queue) == count:
            return
        pause.wait(0.01)
    raise AssertionError(f"{len(turnstile._queue)} stand there, not {count}")


def test_calls_begin_apart_by_the_rate() -> None:
    """In real time: five calls at 0.05 s take 0.2 s."""
    from time import monotonic  # noqa: PLC0415 - the only test on real time

    turnstile = Turnstile(0.05)
    began = monotonic()
    times = []
    for _ in range(5):
        turnstile.enter()
        times.append(monotonic() - began)
    assert all(at >= 0.05 * turn for turn, at in enumerate(times))


def test_without_a_rate_nobody_waits() -> None:
    """Not even for time to pass."""
    turnstile = Turnstile(0.0, Time())
    for _ in range(100):
        turnstile.enter()


def test_lists_go_before_all_others() -> None:
    """However many stand there already."""
    time = Time()
    turnstile = Turnstile(10.0, time)
    turnstile.enter()
    order: list[str] = []

    def pass_through(name: str, *, first: bool) -> None:
        turnstile.enter(first=first)
        order.append(name)

    threads = [in_thread(lambda: pass_through("create", first=False)) for _ in range(3)]
    queued(turnstile, 3)
    threads.append(in_thread(lambda: pass_through("list", first=True)))
    queued(turnstile, 4)
    for left in (3, 2, 1, 0):
        time.now += 10.0
        with turnstile._condition:
            turnstile._condition.notify_all()
        queued(turnstile, left)
    for thread in threads:
        thread.join(PATIENCE)
    assert order == ["list", "create", "create", "create"]


def test_a_refusal_slows_down_and_answers_speed_up_again() -> None:
    """Twice as slow with each refusal, and back to the rate bit by bit."""
    time = Time()
    turnstile = Turnstile(1.0, time)
    turnstile.refused(30.0)
    turnstile.refused(30.0)
    assert turnstile.interval == 4.0
    for _ in range(100):
        turnstile.answered()
    assert turnstile.interval == 1.0
    for _ in range(10):
        turnstile.refused(0.0)
    assert turnstile.interval == SLOWEST


def test_without_a_rate_a_refusal_makes_one() -> None:
    """And it fades to none."""
    turnstile = Turnstile(0.0, Time())
    turnstile.refused(1.0)
    assert turnstile.interval == FIRST_SLOWDOWN
    for _ in range(20):
        turnstile.answered()
    assert turnstile.interval == 0.0


def test_nobody_passes_before_the_time_that_the_cloud_said() -> None:
    """Retry-After holds for all."""
    time = Time()
    turnstile = Turnstile(0.0, time)
    turnstile.refused(5.0)
    passed = threading.Event()
    thread = in_thread(lambda: (turnstile.enter(), passed.set()))
    queued(turnstile, 1)
    assert not passed.is_set()
    time.now += 5.0
    with turnstile._condition:
        turnstile._condition.notify_all()
    thread.join(PATIENCE)
    assert passed.is_set()


def test_closing_sends_away_who_waits() -> None:
    """A reload does not wait for calls that nobody wants any more."""
    turnstile = Turnstile(1000.0, Time())
    turnstile.enter()
    errors: list[Exception] = []

    def wait() -> None:
        try:
            turnstile.enter()
        except TryAgainLaterError as error:
            errors.append(error)

    thread = in_thread(wait)
    queued(turnstile, 1)
    turnstile.close()
    thread.join(PATIENCE)
    assert len(errors) == 1
    with pytest.raises(TryAgainLaterError, match="closed"):
        turnstile.enter()


def test_calls_that_take_no_longer_side_by_side_become_more() -> None:
    """Up to a bound."""
    time = Time()
    gate = Gate(time)
    for _ in range(400):
        gate._inside = gate.limit
        with gate.timed("POST"):
            time.now += 1.0
    assert gate.limit == MOST


def test_calls_that_queue_in_the_cloud_become_fewer() -> None:
    """Lists and other people wait behind them."""
    time = Time()
    gate = Gate(time)
    gate._limit = MOST
    with gate.timed("POST"):
        time.now += 1.0
    for _ in range(30):
        with gate.timed("POST"):
            time.now += 30.0
    assert gate.limit == FEWEST


def test_kinds_of_calls_are_compared_with_their_own_kind() -> None:
    """A deletion is quicker than a creation, and says nothing about it."""
    time = Time()
    gate = Gate(time)
    with gate.timed("DELETE"):
        time.now += 0.1
    before = gate.limit
    with gate.timed("POST"):
        time.now += 5.0
    assert gate.limit == before


def test_as_many_as_allowed_are_inside() -> None:
    """The next one comes in when one has left."""
    gate = Gate(Time())
    entered, leave = threading.Semaphore(0), threading.Event()

    def call() -> None:
        with gate.inside():
            entered.release()
            leave.wait(PATIENCE)

    threads = [in_thread(call) for _ in range(gate.limit + 1)]
    for _ in range(gate.limit):
        assert entered.acquire(timeout=PATIENCE)
    assert not entered.acquire(timeout=0.05)
    leave.set()
    assert entered.acquire(timeout=PATIENCE)
    for thread in threads:
        thread.join(PATIENCE)
