"""How many calls and servers are asked for side by side, and who goes first."""

import threading
import time
from collections.abc import Callable

from nodepool_lite.clouds.openstack.burst import Burst
from nodepool_lite.clouds.openstack.gate import FEWEST, QUEUEING, Gate

PATIENCE = 10.0


class Clock:
    """Monotonic seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return them."""
        return self.now


def test_who_came_first_at_the_gate_goes_first() -> None:
    """Nobody waits for ever while others pass."""
    gate = Gate()
    order: list[int] = []
    threads: list[threading.Thread] = []
    limit = gate.limit
    opened = threading.Event()
    for number in range(limit):
        _started(threads, lambda: _hold(gate, opened))
        _until(lambda number=number: gate._inside == number + 1)  # type: ignore[misc]
    for number in range(5):
        _started(threads, lambda number=number: _pass(gate, order, number))  # type: ignore[misc]
        _until(lambda number=number: len(gate._queue) == number + 1)  # type: ignore[misc]
    gate._limit = 1.0
    opened.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert order == [0, 1, 2, 3, 4]


def test_calls_that_are_slow_for_whatever_reason_leave_a_few_side_by_side() -> None:
    """On a cloud that others keep busy, one at a time would get next to nothing."""
    clock = Clock()
    gate = Gate(clock)
    for seconds in (1.0, *[1.0 + QUEUEING] * 50):
        with gate.inside(), gate.timed("POST"):
            clock.now += seconds
    assert gate.limit == FEWEST


def test_the_first_server_of_many_goes_ahead_until_it_runs() -> None:
    """Whoever waits for one has it in the time that one takes."""
    clock = Clock()
    burst, threads, asked = Burst(clock), [], []
    _many(burst, threads, asked, 4)
    _until(lambda: len(asked) == 1)
    burst.saw(frozenset({"a"}))
    assert (len(asked), burst.begins) == (1, True)
    burst.saw(frozenset())
    _until(lambda: len(asked) == 4)
    assert not burst.begins
    _join(threads)


def test_the_others_follow_after_a_moment_in_any_case() -> None:
    """And where servers take longer than that, nobody has to wait again."""
    burst, threads, asked = Burst(head_start=0.5), [], []
    began = time.monotonic()
    _many(burst, threads, asked, 2)
    _until(lambda: len(asked) == 2)
    assert 0.4 < time.monotonic() - began < PATIENCE
    _join(threads)
    _many(burst, threads, asked, 3)
    assert not burst.begins
    _until(lambda: len(asked) == 5)
    _join(threads)


def test_who_comes_while_servers_are_starting_has_no_head_start_to_wait_for() -> None:
    """It is for the beginning alone."""
    clock = Clock()
    burst, threads, asked = Burst(clock), [], []
    _many(burst, threads, asked, 1)
    _until(lambda: len(asked) == 1)
    burst.saw(frozenset({"a", "b"}))
    burst.saw(frozenset({"b"}))
    _many(burst, threads, asked, 5)
    _until(lambda: len(asked) == 6)
    _join(threads)


def _many(burst: Burst, threads: list[threading.Thread], asked: list[int], count: int) -> None:
    for number in range(count):

        def ask(number: int = number) -> None:
            with burst.turn():
                asked.append(number)

        _started(threads, ask)


def _started(threads: list[threading.Thread], work: Callable[[], None]) -> None:
    threads.append(threading.Thread(target=work, daemon=True))
    threads[-1].start()


def _hold(gate: Gate, opened: threading.Event) -> None:
    with gate.inside():
        opened.wait(PATIENCE)


def _pass(gate: Gate, order: list[int], number: int) -> None:
    with gate.inside():
        order.append(number)


def _join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(PATIENCE)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
