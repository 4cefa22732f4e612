"""The loop's one pass: look, plan, carry out. Knows nothing of threads, signals or real time."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from nodepool_lite.actions.context import Again, Context, Outcome
from nodepool_lite.actions.dispatch import carry_out
from nodepool_lite.daemon.leadership import Leadership
from nodepool_lite.model.errors import NodepoolError
from nodepool_lite.plan.actions import Action
from nodepool_lite.plan.handout import attendance
from nodepool_lite.plan.plan import plan
from nodepool_lite.plan.view import View

REPLANS = 50
"""Passes after which a step ends even if inline actions still change something; the loop comes back at once."""


class Workers(Protocol):
    """Where actions that take time are carried out."""

    def submit(self, action: Action, work: Callable[[], Outcome], done: Callable[[Outcome], None]) -> None:
        """Start `work` elsewhere and have `done` called with its outcome."""


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
        self.why = ""
        """A sentence on what the last step did, for people."""

    @property
    def running(self) -> frozenset[str]:
        """The keys of the actions being carried out."""
        with self._lock:
            return frozenset(self._running)

    def step(self) -> float | None:
        """Do everything that is due; return when to come back at the latest (epoch seconds), None for a change only."""
        if not self._ctx.store.connected:
            self.why = "waiting for ZooKeeper"
            return None
        try:
            return self._step()
        except NodepoolError as error:
            self.why = str(error)
            return self._ctx.clock.now() + 1.0

    def _step(self) -> float | None:
        self._leadership.campaign()
        started = 0
        for _ in range(REPLANS):
            now = self._ctx.clock.now()
            actions = plan(self._view(now), now)
            self._tidy(now)
            inline = self._inline_due(actions, now)
            if not inline:
                started += self._start_due(actions, now)
                self.why = f"{len(self._running)} running, {started} started"
                return self._deadline(actions, now)
            for action in inline:
                self._settle(action, carry_out(self._ctx, action))
        return self._ctx.clock.now()

    def _view(self, now: float) -> View:
        ctx = self._ctx
        records = ctx.store.snapshot()
        self._attended = attendance(records.leases.values(), records.waiters.keys(), self._attended, now)
        facts = self._facts()
        return View(
            records=records,
            config=ctx.config(),
            me=self._leadership.me,
            host=ctx.host,
            leads=self._leadership.held(records),
            clouds=ctx.sightings.clouds(),
            answered=ctx.sightings.answered(),
            checked=ctx.sightings.checked(),
            attended=self._attended,
            running=self.running,
            script_digests=facts.script_digests,
            builder=facts.builder,
            recipes=facts.recipes,
            image_formats=facts.image_formats,
            build_obstacle=facts.build_obstacle(),
        )

    def _due(self, actions: list[Action], now: float) -> list[Action]:
        """The actions whose time has come, one for each key, without those at work or told to wait."""
        chosen: dict[str, Action] = {}
        with self._lock:
            for action in actions:
                if action.at <= now and action.key not in self._running and self._not_before.get(action.key, 0) <= now:
                    chosen.setdefault(action.key, action)
        return list(chosen.values())

    def _inline_due(self, actions: list[Action], now: float) -> list[Action]:
        return [action for action in self._due(actions, now) if action.inline]

    def _start_due(self, actions: list[Action], now: float) -> int:
        started = 0
        for action in self._due(actions, now):
            with self._lock:
                self._running[action.key] = action
            self._workers.submit(action, self._work(action), self._done(action))
            started += 1
        return started

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

    def _tidy(self, now: float) -> None:
        with self._lock:
            self._not_before = {key: moment for key, moment in self._not_before.items() if moment > now}
        config, records = self._ctx.config(), self._ctx.store.snapshot()
        providers = frozenset(provider.name for provider in config.providers)
        self._ctx.sightings.keep(frozenset(records.nodes), providers)

    def _deadline(self, actions: list[Action], now: float) -> float | None:
        """The earliest moment at which something that is not at work can be done."""
        with self._lock:
            times = [
                max(action.at, self._not_before.get(action.key, 0.0))
                for action in actions
                if action.key not in self._running
            ]
        return min((time for time in times if time > now), default=None)
