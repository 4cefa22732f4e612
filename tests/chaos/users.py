"""People who take, use, give back, delete and forget nodes, and who notice when something is taken from them."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

from nodepool_lite.config.load import load_or_raise
from nodepool_lite.model.clock import SystemClock
from nodepool_lite.model.errors import NodepoolError, NoSuchThingError, StoreUnavailableError, WaitTimeoutError
from nodepool_lite.model.lease import Lease, LeaseState
from nodepool_lite.model.node import PENDING, Node, NodeState
from nodepool_lite.service import leases, nodes
from nodepool_lite.service.grab import Wish, grab
from nodepool_lite.store.open import open_store
from nodepool_lite.store.zookeeper import ZooKeeperStore
from tests.chaos.book import Book

LABELS = ("chaos-one", "chaos-one", "chaos-pair")
LONG, SHORT = 7200.0, 15.0
"""Seconds for which a node is taken: longer than clocks jump, and for those who forget it."""
WAIT = 60.0
USE = (0.5, 6.0)
REST = (0.5, 4.0)
COMMAND_PATIENCE = 120.0
FORESEEN = (NoSuchThingError.exit_status, WaitTimeoutError.exit_status, StoreUnavailableError.exit_status)
"""How commands may end while all goes wrong: what was named has gone, nothing came in time, ZooKeeper is away."""


class User(threading.Thread):
    """Each turn opens a connection of its own, as each command does, and begins with giving back what is left over."""

    def __init__(self, name: str, config: Path, book: Book, seed: int) -> None:
        super().__init__(name=name)
        self._file = config
        self._config = load_or_raise(config, {})
        self._book = book
        self._random = random.Random(f"{seed} {name}")
        self._done = threading.Event()
        self._clock = SystemClock()

    def finish(self) -> None:
        """Tell the user to go home after the present turn."""
        self._done.set()

    def run(self) -> None:
        """Take turns until told to finish."""
        try:
            self._take_turns()
        except BaseException:
            self._book.journal.accuse(f"{self.name} met what nobody may meet")
            raise

    def _take_turns(self) -> None:
        while not self._done.wait(self._random.uniform(*REST)):
            try:
                self.turn()
            except StoreUnavailableError:
                self._book.count("turns that met no ZooKeeper")
            except (WaitTimeoutError, NoSuchThingError) as error:
                self._book.count(f"turns that ended with {type(error).__name__}")
            except NodepoolError as error:
                self._book.journal.accuse(f"{self.name} was refused: {type(error).__name__}: {error}")

    def turn(self) -> None:
        """Do one thing, from beginning to end."""
        with closing(self._open()) as store:
            self._give_back_what_is_left(store)
            self._random.choices([self._use, self._forget, self._meddle], [6, 1, 1])[0](store)

    def _use(self, store: ZooKeeperStore) -> None:
        lease = self._take(store, LONG)
        self._done.wait(self._random.uniform(*USE))
        self._see_that_it_is_mine(lease)
        if self._random.random() < 0.3:
            self._book.deleted.update(lease.nodes)
            nodes.delete(store, lease.nodes[0], who=self.name, now=self._clock.now())
            self._book.count("nodes deleted by their users")
        else:
            self._release(store, lease.id)

    def _forget(self, store: ZooKeeperStore) -> None:
        """Take a node for a short time, and never come back to it."""
        self._take(store, SHORT)
        self._book.count("leases left to end by themselves")

    def _meddle(self, store: ZooKeeperStore) -> None:
        """Delete a node that is being made."""
        found = [each.id for each in store.snapshot().nodes.values() if each.state in PENDING]
        if found:
            chosen = self._random.choice(sorted(found))
            self._book.deleted.add(chosen)
            nodes.delete(store, chosen, who=self.name, now=self._clock.now())
            self._book.count("nodes deleted on their way")

    def _take(self, store: ZooKeeperStore, lifetime: float) -> Lease:
        wish = Wish(self._random.choice(LABELS), self.name, lifetime=lifetime, wait=WAIT, reason="chaos")
        lease = grab(store, self._config, self._clock, wish, lambda _: None)
        self._book.got(lease.id, lease.nodes)
        self._book.count("leases taken")
        return lease

    def _see_that_it_is_mine(self, lease: Lease) -> None:
        """Look at the records afresh: what was taken stays taken, whatever happens to the daemons."""
        with closing(self._open()) as store:
            records = store.read(Lease, Node)
        known = records.leases.get(lease.id)
        held = [records.nodes.get(each) for each in lease.nodes]
        mine = [each for each in held if each and each.state is NodeState.IN_USE and each.lease == lease.id]
        whole = known is not None and known.state is LeaseState.ACTIVE and len(mine) == len(held)
        if not whole and not self._book.deleted.intersection(lease.nodes):
            states = ", ".join("gone" if each is None else f"{each.id} {each.state}" for each in held)
            ended = "" if known is None else f"{known.state} {known.end_reason}"
            self._book.journal.accuse(f"lease {lease.id} was taken from its user: {ended}; {states}")

    def _release(self, store: ZooKeeperStore, lease: str) -> None:
        leases.release(store, lease, self.name, self._clock.now())
        self._book.count("leases released")

    def _give_back_what_is_left(self, store: ZooKeeperStore) -> None:
        """End what an earlier turn left, as those do who were told that it is unknown whether they got something."""
        for lease in store.read(Lease).leases.values():
            if lease.owner == self.name and lease.state is not LeaseState.ENDED and lease.lifetime > SHORT:
                self._release(store, lease.id)

    def _open(self) -> ZooKeeperStore:
        return open_store(self._config, watch=True)


class CommandUser(User):
    """One who uses the commands; now and then the terminal is closed while the command waits or works."""

    def turn(self) -> None:
        """Grab and release, or be killed while grabbing."""
        with closing(self._open()) as store:
            self._give_back_what_is_left(store)
        label = self._random.choice(LABELS)
        grabbing = ("grab", label, "--wait", f"{WAIT:.0f}s", "--lifetime", f"{LONG:.0f}s", "-f", "json")
        if self._random.random() < 0.3:
            self._run(*grabbing, killed_after=self._random.uniform(0.3, 2.0))
            self._book.count("commands killed")
            return
        said = self._run(*grabbing)
        if said:
            taken = json.loads(said)
            self._book.got(taken["lease"], [each["id"] for each in taken["nodes"]])
            self._book.count("leases taken")
            self._done.wait(self._random.uniform(*USE))
            self._run("release", taken["lease"])
            self._book.count("leases released")

    def _run(self, *arguments: str, killed_after: float | None = None) -> str:
        """Return what a command says; nothing if it was killed, or could not do it for a reason that it names."""
        process = subprocess.Popen(
            [sys.executable, "-m", "nodepool_lite", *arguments],
            env={**os.environ, "NODEPOOL_LITE_CONFIG": str(self._file), "LOGNAME": self.name, "SUDO_USER": ""},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            said, complaint = process.communicate(timeout=killed_after or COMMAND_PATIENCE)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            if killed_after is None:
                self._book.journal.accuse(f"{arguments[0]} did not end within {COMMAND_PATIENCE:.0f} s")
            return ""
        if "Traceback" in complaint:
            self._book.journal.accuse(f"{arguments[0]} showed a traceback: {complaint}")
        if process.returncode in FORESEEN:
            self._book.count(f"commands that ended with {process.returncode}")
            return ""
        if process.returncode:
            self._book.journal.accuse(f"{arguments[0]} ended with {process.returncode}: {complaint}")
            return ""
        return said


NAMES = ("user-1", "user-2", "user-3")


def make_users(config: Path, book: Book, seed: int) -> list[User]:
    """Return three people, one of whom uses the commands."""
    *by_service, by_command = NAMES
    return [*(User(name, config, book, seed) for name in by_service), CommandUser(by_command, config, book, seed)]
