"""The loop's one pass: look, plan, carry out. Knows nothing of threads, signals or real time."""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from nodepool_lite.actions.context import Again, Context, Outcome
from nodepool_lite.actions.dispatch import carry_out
from nodepool_lite.daemon.leadership import Leadership, outdated
from nodepool_lite.model.errors import NodepoolError
from nodepool_lite.model.lease import Waiter
from nodepool_lite.model.node import PENDING, NodeState
from nodepool_lite.plan.actions import Action
from nodepool_lite.plan.handout import attendance
from nodepool_lite.plan.hosts import away
from nodepool_lite.plan.plan import Plan
from nodepool_lite.plan.standstill import standstill
from nodepool_lite.plan.view import View
from nodepool_lite.store.base import Snapshot

STANDSTILL = 5.0
"""Seconds for which something must have had no room until that is said."""
STALL = 1.0
"""Seconds after which actions that had no effect are tried again."""
SET_BACK = 1.0
"""Seconds by which the clock must have gone backwards to count."""
CRASH_PAUSE = 5.0
"""Seconds after a step that ended in an unforeseen error."""
SHOWN = 3
"""Actions at work that the summary names."""
REPLANS = 50
"""Passes after which a step ends even if inline actions still change something; the loop comes back at once."""


class Workers(Protocol):
    """Where actions that take time are carried out."""

    def submit(self, action: Action, work: Callable[[], Outcome], done: Callable[[Outcome], None]) -> None:
        """Start `work` elsewhere, as soon as a hand is free, and have `done` called with its outcome."""

    def recall(self) -> Iterable[Action]:
        """Take back what was submitted and not begun, and return it."""


@dataclass
class Facts:
    """What a process knows of its own host, refreshed with the configuration."""

    script_digests: Mapping[str, str] = field(default_factory=dict)
    builder: bool = True
    recipes: Mapping[str, str] = field(default_factory=dict)
    image_formats: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    build_obstacle: Callable[[], str] = lambda: ""


class Engine:
    """One process's share of the pool. `step` is called by one thread only; outcomes may arrive from others."""

    def __init__(self, ctx: Context, leadership: Leadership, workers: Workers, facts: Callable[[], Facts]) -> None:
        self._ctx = ctx
        self._leadership = leadership
        self._workers = workers
        self._facts = facts
        self._lock = threading.Lock()
        """Guards the next two, which workers write when they are done."""
        self._running: dict[str, Action] = {}
        self._not_before: dict[str, float] = {}
        self._attended: Mapping[str, float] = {}
        self._away: Mapping[str, float] = {}
        self._present = 0.0
        """When the latest view was taken."""
        self._me = ""
        self._led_since: Mapping[str, float] = {}
        self._plan: Plan | None = None
        """The latest."""
        self._crash = ""
        """The latest unforeseen error of a step: said once."""
        self.why = ""
        """How it stands after the last step, in one sentence, for people."""
        self.notice = ""
        """What keeps this process from leading, and what is wanted and has had no room for a while, and why."""
        self.thought = 0.0
        """Seconds that the last step spent on looking and deciding, and not on doing."""
        self._crowded = ""
        self._stuck, self._looked = "", 0.0
        """What had no room when that was last looked at, and when that was."""

    @property
    def running(self) -> frozenset[str]:
        """The keys of the actions being carried out."""
        with self._lock:
            return frozenset(self._running)

    def step(self) -> float | None:
        """Do everything that is due; return when to come back at the latest (epoch seconds), None for a change only."""
        self.thought = 0.0
        if not self._ctx.store.connected:
            self.why = "waiting for ZooKeeper"
            return None
        try:
            return self._step()
        except NodepoolError as error:
            self.why = str(error)
            return self._ctx.clock.now() + 1.0
        except Exception as error:  # the loop's edge: a mistake about one record must not end the care for the others
            self.why = f"internal error: {error!r}"
            if self.why != self._crash:
                self._crash = self.why
                self._ctx.log.exception("step.crashed")
            return self._ctx.clock.now() + CRASH_PAUSE

    def _step(self) -> float | None:
        self._leadership.campaign()
        before: Snapshot | None = None
        for _ in range(REPLANS):
            now = self._ctx.clock.now()
            self._mind_the_clock(now)
            self._recall()
            view = self._view(now)
            if self._plan is None or not self._plan.holds(view, now):
                self._plan = Plan.made(view, now)
            self.thought += max(0.0, self._ctx.clock.now() - now)
            actions = self._plan.actions
            due = self._due(actions, view.running, now)
            self._start([action for action in due if not action.inline])
            inline = [action for action in due if action.inline]
            if not inline or view.records is before:
                self._tidy(view.records, now)
                self._look_for_room(view, now)
                self.notice = "; ".join(each for each in (outdated(view.records), self._crowded) if each)
                self.why = summary(view, self.running)
                deadline = self._deadline(actions, now)
                # What was written changed nothing: others were quicker, and news of that will wake the loop.
                return now + STALL if inline and (deadline is None or deadline > now + STALL) else deadline
            for action in inline:
                self._settle(action, carry_out(self._ctx, action))
            before = view.records
        return self._ctx.clock.now()

    def _view(self, now: float) -> View:
        ctx = self._ctx
        running = self.running  # before the records: what ended meanwhile has written, so its effect is not missed
        records = ctx.store.snapshot()
        leads = self._lead(records, now)
        waiters = records.waiters.keys() | records.unreadable(Waiter)
        self._attended = attendance(records.leases.values(), waiters, self._attended, now)
        self._away = away(records, self._away, now)
        facts = self._facts()
        ctx.sightings.keep_clouds([each.name for each in ctx.config().providers if f"provider/{each.name}" in leads])
        return View(
            records=records,
            config=ctx.config(),
            me=self._leadership.me,
            host=ctx.host,
            leads=leads,
            led_since=self._led_since,
            clouds=ctx.sightings.clouds(),
            answered=ctx.sightings.answered(),
            checked=ctx.sightings.checked(),
            attended=self._attended,
            away=self._away,
            running=running,
            script_digests=facts.script_digests,
            builder=facts.builder,
            recipes=facts.recipes,
            image_formats=facts.image_formats,
            build_obstacle=facts.build_obstacle(),
        )

    def _lead(self, records: Snapshot, now: float) -> frozenset[str]:
        """Return what this process leads, and remember since when; a new session begins anew."""
        leads = self._leadership.held(records)
        before = self._led_since if self._leadership.me == self._me else {}
        self._me = self._leadership.me
        self._led_since = {name: before.get(name, now) for name in leads}
        return leads

    def _due(self, actions: list[Action], running: frozenset[str], now: float) -> list[Action]:
        """The actions whose time has come, one for each key, without those told to wait and those `running` at plan.

        What ended since the plan was made may have changed what was planned for it: its end brings the next plan.
        """
        chosen: dict[str, Action] = {}
        with self._lock:
            for action in actions:
                if action.at <= now and action.key not in running and self._not_before.get(action.key, 0) <= now:
                    chosen.setdefault(action.key, action)
        return list(chosen.values())

    def _start(self, actions: list[Action]) -> None:
        for action in actions:
            with self._lock:
                self._running[action.key] = action
            self._workers.submit(action, self._work(action), self._done(action))

    def _recall(self) -> None:
        """Take back what waits for a hand: it is decided on anew, and then perhaps not wanted any more."""
        waiting = self._workers.recall()
        with self._lock:
            for action in waiting:
                del self._running[action.key]

    def _work(self, action: Action) -> Callable[[], Outcome]:
        return lambda: carry_out(self._ctx, action)

    def _done(self, action: Action) -> Callable[[Outcome], None]:
        def done(outcome: Outcome) -> None:
            self._settle(action, outcome)
            with self._lock:
                self._running.pop(action.key, None)

        return done

    def _settle(self, action: Action, outcome: Outcome) -> None:
        with self._lock:
            if isinstance(outcome, Again):
                self._not_before[action.key] = self._ctx.clock.now() + outcome.after
            else:
                self._not_before.pop(action.key, None)

    def _mind_the_clock(self, now: float) -> None:
        """Forget what was seen in a time that is still to come: the clock was set back, and would be waited for.

        What was under way when it was set back is remembered later, with a moment of before.
        """
        self._ctx.sightings.forget_from(now + SET_BACK)
        if now < self._present - SET_BACK:
            self._ctx.log.warning("clock.set-back", seconds=round(self._present - now, 1))
            self._ctx.sightings.keep(())
            self._ctx.sightings.keep_clouds(())
            self._attended = {}
            self._away = {}
            self._led_since = {}
            self._plan = None
            with self._lock:
                self._not_before = {}
        self._present = now

    def _look_for_room(self, view: View, now: float) -> None:
        """Say what has had no room for a while: what is being deleted makes room by itself."""
        if abs(now - self._looked) < STANDSTILL:
            return
        before, self._stuck, self._looked = self._stuck, standstill(view, now), now
        self._crowded = self._stuck if self._stuck == before else ""

    def _tidy(self, records: Snapshot, now: float) -> None:
        """Forget what is remembered about what is no more."""
        with self._lock:
            self._not_before = {key: moment for key, moment in self._not_before.items() if moment > now}
        self._ctx.sightings.keep(records.nodes.keys())
        for key in tuple(self._ctx.notes):
            if key.rpartition(" ")[2] not in records.nodes:
                self._ctx.notes.pop(key, None)

    def _deadline(self, actions: list[Action], now: float) -> float | None:
        """The earliest moment at which something that is not at work can be done."""
        with self._lock:
            times = [
                max(action.at, self._not_before.get(action.key, 0.0))
                for action in actions
                if action.key not in self._running
            ]
        return min((time for time in times if time > now), default=None)


def summary(view: View, running: Collection[str]) -> str:
    """Return how the pool stands and what this process is doing, in one sentence for `systemctl status`."""
    states = Counter(node.state for node in view.records.nodes.values() if node.primary is None)
    counts = (
        (states[NodeState.READY], "ready"),
        (sum(states[each] for each in PENDING), "on their way"),
        (states[NodeState.IN_USE], "in use"),
        (states[NodeState.FAILED], "failed"),
    )
    nodes = ", ".join(f"{count} {what}" for count, what in counts if count)
    work = sorted(key for key in running if not key.startswith("list"))
    more = f" and {len(work) - SHOWN} more" if len(work) > SHOWN else ""
    return f"nodes: {nodes or 'none'}; at work: {', '.join(work[:SHOWN]) or 'nothing'}{more}"
