"""Builds (one run of disk-image-create) and uploads (one build as known to one provider)."""

from enum import StrEnum
from typing import Self

from nodepool_lite.model.errors import IllegalTransitionError
from nodepool_lite.model.record import Event, Part, Record


class BuildState(StrEnum):
    """Where a build stands."""

    BUILDING = "building"
    READY = "ready"
    FAILED = "failed"
    DELETING = "deleting"


class UploadState(StrEnum):
    """Where an upload stands."""

    UPLOADING = "uploading"
    READY = "ready"
    FAILED = "failed"
    DELETING = "deleting"


BUILD_TRANSITIONS: dict[BuildState, frozenset[BuildState]] = {
    BuildState.BUILDING: frozenset({BuildState.READY, BuildState.FAILED, BuildState.DELETING}),
    BuildState.READY: frozenset({BuildState.DELETING, BuildState.FAILED}),
    BuildState.FAILED: frozenset({BuildState.DELETING}),
    BuildState.DELETING: frozenset(),
}
UPLOAD_TRANSITIONS: dict[UploadState, frozenset[UploadState]] = {
    UploadState.UPLOADING: frozenset({UploadState.READY, UploadState.FAILED, UploadState.DELETING}),
    UploadState.READY: frozenset({UploadState.DELETING, UploadState.FAILED}),
    UploadState.FAILED: frozenset({UploadState.DELETING}),
    UploadState.DELETING: frozenset(),
}


class ImageFile(Part):
    """One file that a build produced; `path` is absolute on the builder's host, `size` is in bytes."""

    format: str
    path: str
    size: int
    sha256: str
    md5: str


class Build(Record):
    """One run of disk-image-create. Its id is `<diskimage>/<number>`."""

    diskimage: str
    state: BuildState
    state_since: float
    created: float
    history: tuple[Event, ...] = ()
    builder: str
    """The host that builds it and holds its files."""
    fingerprint: str
    """Hash of the recipe (elements, release, environment, formats) it was made from."""
    formats: tuple[str, ...]
    files: tuple[ImageFile, ...] = ()
    username: str = ""
    takes_host_key: bool = True
    """Whether its machines take the SSH host key that the pool makes for them."""
    withdrawn: tuple[str, ...] = ()
    """Providers whose upload of this build a person deleted: it is not uploaded there again unless asked."""
    log: str = ""
    """Path of the log on the builder's host."""
    phase: str = ""
    """What DIB is doing, e.g. `install.d/60-nodepool-minimal`."""
    phase_since: float | None = None
    error: str = ""

    def to(self, state: BuildState, now: float, reason: str, **changes: object) -> Self:
        """Return this build in `state`; raises IllegalTransitionError when it cannot follow."""
        if state not in BUILD_TRANSITIONS[self.state]:
            raise IllegalTransitionError(f"build {self.id}: {self.state} cannot become {state}")
        event = Event(time=now, state=state, reason=reason)
        return self.but(state=state, state_since=now, history=(*self.history, event), **changes)

    @property
    def number(self) -> str:
        """The number part of the id: the `Version` of the old listings."""
        return self.id.rpartition("/")[2]

    @property
    def name(self) -> str:
        """How people name it: `debian-12-0000000001`."""
        return self.id.replace("/", "-")


class Upload(Record):
    """One build as known to one provider. Its id is `<diskimage>/<number>/<provider>`."""

    diskimage: str
    build: str
    """The id of the build, `<diskimage>/<number>`."""
    provider: str
    state: UploadState
    state_since: float
    created: float
    history: tuple[Event, ...] = ()
    builder: str
    format: str
    image_name: str
    """The name it has, or will have, at the provider, for people; several may have the same."""
    image_id: str = ""
    username: str = ""
    progress: int = 0
    """Percent."""
    error: str = ""

    def to(self, state: UploadState, now: float, reason: str, **changes: object) -> Self:
        """Return this upload in `state`; raises IllegalTransitionError when it cannot follow."""
        if state not in UPLOAD_TRANSITIONS[self.state]:
            raise IllegalTransitionError(f"upload {self.id}: {self.state} cannot become {state}")
        event = Event(time=now, state=state, reason=reason)
        return self.but(state=state, state_since=now, history=(*self.history, event), **changes)

    @property
    def name(self) -> str:
        """How people name it: `debian-12-0000000001-local`."""
        return self.id.replace("/", "-")
