"""Who drives what: one ephemeral record for each thing that only one process may drive."""

from collections.abc import Callable

from nodepool_lite.config.settings import Config
from nodepool_lite.model.errors import StoreConflictError
from nodepool_lite.model.pool import Leader
from nodepool_lite.store.base import Snapshot, Store


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
        leaders = self._store.snapshot().leaders
        wanted = self._wanted()
        for name in sorted(wanted - leaders.keys()):
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

    def held(self, records: Snapshot) -> frozenset[str]:
        """Return what this process leads, as recorded."""
        me = self.me
        return frozenset(name for name, leader in records.leaders.items() if leader.holder == me)
