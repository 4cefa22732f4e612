"""Who drives what: one ephemeral record for each thing that only one process may drive."""

from collections.abc import Callable
from contextlib import suppress

from nodepool_lite.config.settings import Config
from nodepool_lite.model.errors import NodepoolError, StoreConflictError
from nodepool_lite.model.pool import Leader
from nodepool_lite.store.base import EPHEMERAL, PATHS, Snapshot, Store

_KINDS = {folder: kind for kind, folder in PATHS.items()}


def outdated(records: Snapshot) -> str:
    """Return why a process of this version may lead nothing, in one sentence; empty when it may.

    Who does not understand what others wrote would make again what is there, and so leaves it to those who do.
    """
    lasting = sorted(path for path in records.newer if _KINDS[path.partition("/")[0]] not in EPHEMERAL)
    if not lasting:
        return ""
    return (
        f"a newer nodepool-lite has written {len(lasting)} records ({lasting[0]} is one): "
        "this process leads nothing until it is upgraded"
    )


def candidacies(roles: frozenset[str], config: Config) -> frozenset[str]:
    """Return what a process of these roles stands for."""
    wanted = {"builder"} if "builder" in roles else set()
    if "launcher" in roles:
        wanted |= {"planner", *(f"provider/{provider.name}" for provider in config.providers)}
    return frozenset(wanted)


class Leadership:
    """This process's candidacies. The store's session is part of the name, so an old session's record is not ours."""

    def __init__(self, store: Store, member: str, wanted: Callable[[], frozenset[str]]) -> None:
        self._store = store
        self._member = member
        self._wanted = wanted

    @property
    def me(self) -> str:
        """What a leader record of this process says as its holder."""
        return f"{self._member}/{self._store.session}"

    def campaign(self) -> None:
        """Take every wanted leadership that nobody holds, and give back those no longer wanted.

        One that an earlier session of ours holds is given back, too: if the session expired while the record was on its
        way, the record says the old one and lives with the new one.
        """
        records = self._store.snapshot()
        leaders = records.leaders
        wanted = frozenset() if outdated(records) else self._wanted()
        for name in sorted(wanted - leaders.keys() - records.unreadable(Leader)):
            try:
                self._store.create(Leader(id=name, holder=self.me))
            except StoreConflictError:
                continue
        for name, leader in leaders.items():
            member, _, session = leader.holder.rpartition("/")
            # Of another session: written when one ended and the next began, so nobody takes it for his own.
            stale = member == self._member and session != self._store.session
            if stale or (leader.holder == self.me and name not in wanted):
                self._store.delete(leader)

    def resign(self) -> None:
        """Give everything back at once, whatever is still under way: who takes it over finds it in the records."""
        with suppress(NodepoolError):  # then it ends with the session
            for name in self.held(self._store.snapshot()):
                self._store.delete(self._store.snapshot().leaders[name])

    def held(self, records: Snapshot) -> frozenset[str]:
        """Return what this process leads, as recorded."""
        me = self.me
        return frozenset(name for name, leader in records.leaders.items() if leader.holder == me)
