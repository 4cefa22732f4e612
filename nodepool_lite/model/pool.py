"""Records about the pool itself: its identity, its processes, who leads what, wishes and back-offs."""

from enum import StrEnum

from nodepool_lite.model.record import Record


class Pool(Record):
    """The one record `pool/self`: what every server and image of this pool carries as its mark."""

    pool_id: str
    created: float
    ca_public_key: str = ""
    """The pool's SSH user CA in OpenSSH form; its private half never leaves the launchers' state directory."""


class Member(Record):
    """Ephemeral: one running process of the pool. Its id is `<role>-<host>-<pid>`."""

    role: str
    host: str
    pid: int
    started: float
    software: str
    config_file: str = ""
    config_digest: str = ""
    config_error: str = ""
    """Why the last reload was refused; empty when the file in use is the file on disk."""
    notice: str = ""
    """What keeps this process from part of its work at the moment, e.g. a full disk; empty when nothing does."""


class Leader(Record):
    """Ephemeral: `holder` (a member id and its session) drives the thing this record is named after."""

    holder: str


class RequestKind(StrEnum):
    """What a person asked for."""

    BUILD = "build"
    UPLOAD = "upload"


class Request(Record):
    """A person's wish that a builder has not taken up yet."""

    kind: RequestKind
    diskimage: str
    provider: str = ""
    created: float
    requester: str = ""


class Backoff(Record):
    """Why something is not tried at the moment, and when it will be.

    Ids: `build/<diskimage>`, `upload/<diskimage>@<provider>`, `launch/<label>@<provider>`, `provider/<provider>`.
    """

    failures: int
    error: str
    since: float
    """Epoch seconds of the first failure in a row."""
    last: float
    """Epoch seconds of the latest failure that was counted."""
    next_try: float
    fingerprint: str = ""
    """Hash of the configuration that failed: when that changes, the back-off is void."""
    looked: bool = False
    """Found by a look at what the provider has, before anything was tried: gone as soon as a look finds it mended."""
