"""When to look again: at a change, a finished action, a signal, or the next deadline; never at a fixed interval."""

import os
import select
import time
from collections.abc import Callable
from typing import Any

from nodepool_lite.daemon.engine import Engine
from nodepool_lite.daemon.live import LiveConfig
from nodepool_lite.daemon.membership import Membership
from nodepool_lite.daemon.notify import Notifier
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.errors import NodepoolError
from nodepool_lite.store.base import Store

FILE_CHECK = 2.0
"""Seconds between two looks at the configuration file, which nobody announces changes of."""

QUICK = 0.005
"""Seconds of deciding after which no pause is needed."""
LONGEST_BREATH = 0.25
"""Seconds for which news waits at most, to be dealt with together."""


class Loop:
    """Runs in the main thread. `wake`, `stop` and `reload` may be called from any thread and from signal handlers."""

    def __init__(self, clock: Clock, notifier: Notifier, log: Any) -> None:
        self._clock = clock
        self._notifier = notifier
        self._log = log
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._stopping = False
        self._reload = False
        self._connected = True
        self._checked = clock.now()

    def wake(self) -> None:
        """Something has changed."""
        os.eventfd_write(self._event, 1)

    def stop(self) -> None:
        """End after the present pass."""
        self._stopping = True
        self.wake()

    def reload(self) -> None:
        """Read the configuration again before the next pass."""
        self._reload = True
        self.wake()

    def wait_for(self, condition: Callable[[], bool], store: Store, what: str = "ZooKeeper") -> bool:
        """Wait until the store's change made `condition` true; return False when the end came first."""
        self._notifier.status(f"waiting for {what}")
        with store.subscribe(self.wake):
            while not self._stopping and not condition():
                self._sleep(self._clock.now() + FILE_CHECK)
                self._notifier.alive()
        return not self._stopping

    def run(self, engine: Engine, live: LiveConfig, member: Membership, store: Store) -> None:
        """Step the engine until `stop` is called."""
        self._notifier.ready("started")
        while not self._stopping:
            self._note_connection(store)
            self._look_at_file(live)
            if store.connected:
                self._announce(member, engine.notice)
            deadline = engine.step()
            self._breathe(engine.thought)
            self._notifier.alive()
            self._notifier.status(engine.why)
            look = self._checked + FILE_CHECK
            self._sleep(look if deadline is None else min(look, deadline))

    def _breathe(self, thought: float) -> None:
        """Let others have the processor for as long as it took to decide, if that was long: news gathers meanwhile.

        So the share of the time that is spent on deciding has a limit, however many nodes there are.
        """
        if thought > QUICK:
            time.sleep(min(thought, LONGEST_BREATH))

    def _sleep(self, deadline: float) -> None:
        """Block until woken or the deadline, for as long as looks at the file and signs of life allow."""
        now = self._clock.now()
        limits = [deadline, now + FILE_CHECK]
        if self._notifier.watchdog is not None:
            limits.append(now + self._notifier.watchdog)
        poller = select.poll()
        poller.register(self._event, select.POLLIN)
        if poller.poll(max(0.0, (min(limits) - now) * 1000)):
            os.eventfd_read(self._event)

    def _look_at_file(self, live: LiveConfig) -> None:
        now = self._clock.now()
        if not self._reload and abs(now - self._checked) < FILE_CHECK:
            return
        self._checked = now
        if self._reload or live.file.changed():
            self._reload = False
            self._notifier.reloading()
            live.reload()
            self._notifier.ready("configuration refused, see the log" if live.error else "configuration loaded")

    def _announce(self, member: Membership, notice: str) -> None:
        try:
            member.announce(notice)
        except NodepoolError as error:
            self._log.debug("member.unannounced", reason=str(error))

    def _note_connection(self, store: Store) -> None:
        connected = store.connected
        if connected != self._connected:
            self._connected = connected
            if connected:
                self._log.info("store.connected")
            else:
                self._log.warning("store.lost", reason="ZooKeeper does not answer; nothing is started until it does")
