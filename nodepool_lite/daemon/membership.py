"""This process as the others see it: one ephemeral record, renewed with each session and each reload."""

import re

from nodepool_lite import __version__
from nodepool_lite.daemon.live import LiveConfig
from nodepool_lite.model.errors import StoreConflictError
from nodepool_lite.model.pool import Member
from nodepool_lite.store.base import Store

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
"""What no id of a record may have in it; the kernel takes any host name."""


class Membership:
    """Used by the loop's thread."""

    def __init__(
        self, store: Store, roles: frozenset[str], live: LiveConfig, *, host: str, pid: int, started: float
    ) -> None:
        self._store = store
        self._live = live
        self._role = "all" if len(roles) > 1 else next(iter(roles))
        self._host = host
        self._pid = pid
        self._started = started
        self._session = ""
        self.id = f"{self._role}-{_UNSAFE.sub('-', host)}-{pid}"

    def announce(self, notice: str = "") -> None:
        """Make the record say what is so, and `notice`; costs nothing when it does already."""
        present = self._store.snapshot().members.get(self.id)
        notice = "; ".join(each for each in (self._live.notice(), notice) if each)
        if present is None or self._session != self._store.session:
            self._replace(self._member(notice), present)
            self._session = self._store.session
        elif _says(present) != (self._live.digest, self._live.error, notice):
            self._store.update(self._member(notice).but(version=present.version, order=present.order))

    def _member(self, notice: str) -> Member:
        return Member(
            id=self.id,
            role=self._role,
            host=self._host,
            pid=self._pid,
            started=self._started,
            software=__version__,
            config_file=str(self._live.file.path),
            config_digest=self._live.digest,
            config_error=self._live.error,
            notice=notice,
        )

    def _replace(self, member: Member, present: Member | None) -> None:
        """Make the record belong to the present session: one of an old session would vanish with that."""
        try:
            if present is not None:
                self._store.delete(present)
            self._store.create(member)
        except StoreConflictError:
            return  # it changed under us; the next pass looks again


def _says(member: Member) -> tuple[str, str, str]:
    """What may change while the process lives."""
    return member.config_digest, member.config_error, member.notice
