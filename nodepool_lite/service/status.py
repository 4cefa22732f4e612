"""The pool on one page: labels, images, providers, processes, and what is wrong with each."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from nodepool_lite.config.settings import Config, Diskimage, Label, Provider
from nodepool_lite.model.image import Build, BuildState, Upload, UploadState
from nodepool_lite.model.lease import LeaseState
from nodepool_lite.model.node import PENDING, NodeState
from nodepool_lite.model.pool import Backoff
from nodepool_lite.plan.hosts import stranded
from nodepool_lite.service.names import unreadable_hint
from nodepool_lite.store.base import Snapshot


@dataclass(frozen=True)
class LabelStatus:
    """How many nodes of a label there are (a set counts once), and what keeps more from coming."""

    name: str
    wanted: int
    """`min-ready` and what the waiting leases ask for."""
    ready: int
    building: int
    in_use: int
    hold: int
    failed: int
    deleting: int
    waiting: int
    """Leases in the queue."""
    error: str
    next_try: float | None


@dataclass(frozen=True)
class ImageStatus:
    """Which image of a diskimage serves, how old it is, and what is being built."""

    name: str
    serving: str
    """The newest ready build."""
    since: float | None
    uploaded_to: tuple[str, ...]
    building: str
    """What DIB is doing at the moment."""
    building_since: float | None
    error: str
    next_try: float | None


@dataclass(frozen=True)
class ProviderStatus:
    """How full a provider is."""

    name: str
    driver: str
    servers: int
    max_servers: int | None
    launching: int
    leader: str
    error: str
    next_try: float | None


@dataclass(frozen=True)
class MemberStatus:
    """One running process of the pool."""

    role: str
    host: str
    pid: int
    since: float
    software: str
    config_file: str
    config_error: str
    notice: str
    """What keeps it from part of its work."""


@dataclass(frozen=True)
class Status:
    """All of it."""

    pool: str
    """The pool's name."""
    labels: tuple[LabelStatus, ...]
    images: tuple[ImageStatus, ...]
    providers: tuple[ProviderStatus, ...]
    members: tuple[MemberStatus, ...]
    unreadable: tuple[str, ...]
    """Records that could not be read, with the reason."""


def status(records: Snapshot, config: Config) -> Status:
    """Return how the pool stands."""
    names = dict.fromkeys(label.name for label in config.labels)
    names.update(dict.fromkeys(node.label for node in records.nodes.values()))
    return Status(
        pool=config.pool_name,
        labels=tuple(_label(records, config, name) for name in names),
        images=tuple(_image(records, config, each) for each in config.diskimages if not each.abstract),
        providers=tuple(_provider(records, each) for each in config.providers),
        members=tuple(
            MemberStatus(
                role=each.role,
                host=each.host,
                pid=each.pid,
                since=each.started,
                software=each.software,
                config_file=each.config_file,
                config_error=each.config_error,
                notice=each.notice,
            )
            for each in sorted(records.members.values(), key=lambda member: member.id)
        ),
        unreadable=tuple(
            f"{path}: {why}; {unreadable_hint(path, records)}" for path, why in sorted(records.garbage.items())
        ),
    )


def label_backoffs(records: Snapshot, config: Config, label: str) -> Iterator[Backoff]:
    """Yield what keeps nodes of a label from being made, the nearest cause first."""
    for provider in config.providers:
        for pool in provider.pools:
            made = pool.machines(wanted) if (wanted := config.label(label)) else ()
            names = [f"launch/{label}@{provider.name}", f"provider/{provider.name}"] if made else []
            for image in dict.fromkeys(each.diskimage for each in made):
                if image and not _served(records, image, provider.name):
                    names += [f"upload/{image}@{provider.name}", f"build/{image}"]
            yield from (records.backoffs[name] for name in names if name in records.backoffs)


def _label(records: Snapshot, config: Config, name: str) -> LabelStatus:
    label = config.label(name)
    own = [node for node in records.nodes.values() if node.label == name and node.primary is None]
    states = Counter(node.state for node in own)
    queue = [each for each in records.leases.values() if each.label == name and each.state is LeaseState.WAITING]
    backoff = next(label_backoffs(records, config, name), None)
    return LabelStatus(
        name=name,
        wanted=_min_ready(label) + sum(lease.count for lease in queue),
        ready=states[NodeState.READY],
        building=sum(states[each] for each in PENDING),
        in_use=states[NodeState.IN_USE],
        hold=states[NodeState.HOLD],
        failed=states[NodeState.FAILED],
        deleting=states[NodeState.DELETING],
        waiting=len(queue),
        error=_error(backoff) or ("no longer configured" if label is None else ""),
        next_try=_next_try(backoff),
    )


def _min_ready(label: Label | None) -> int:
    return 0 if label is None else max(0, label.min_ready)


def _image(records: Snapshot, config: Config, diskimage: Diskimage) -> ImageStatus:
    builds = [each for each in records.builds.values() if each.diskimage == diskimage.name]
    ready = max((each for each in builds if each.state is BuildState.READY), key=_by_id, default=None)
    running = max((each for each in builds if each.state is BuildState.BUILDING), key=_by_id, default=None)
    uploads = [each for each in records.uploads.values() if ready is not None and each.build == ready.id]
    causes = [f"build/{diskimage.name}", *(n for n in records.backoffs if n.startswith(f"upload/{diskimage.name}@"))]
    backoff = next((records.backoffs[name] for name in causes if name in records.backoffs), None)
    return ImageStatus(
        name=diskimage.name,
        serving="" if ready is None else ready.name,
        since=None if ready is None else ready.state_since,
        uploaded_to=tuple(each.provider for each in uploads if each.state is UploadState.READY),
        building="" if running is None else (running.phase or "starting"),
        building_since=None if running is None else running.created,
        error=_error(backoff) or ("" if ready is None else stranded(records, config, ready)),
        next_try=_next_try(backoff),
    )


def _provider(records: Snapshot, provider: Provider) -> ProviderStatus:
    own = [node for node in records.nodes.values() if node.provider == provider.name]
    limits = [pool.max_servers for pool in provider.pools]
    known = [limit for limit in limits if limit is not None]
    leader = records.leaders.get(f"provider/{provider.name}")
    backoff = records.backoffs.get(f"provider/{provider.name}")
    wrong = [
        (name, each) for name, each in records.backoffs.items() if each.looked and name.endswith(f"@{provider.name}")
    ]
    error = "; ".join(f"{name.removeprefix('launch/').partition('@')[0]}: {each.error}" for name, each in sorted(wrong))
    return ProviderStatus(
        name=provider.name,
        driver=provider.driver,
        servers=sum(1 for node in own if node.asked is not None),
        max_servers=sum(known) if len(known) == len(limits) else None,
        launching=sum(1 for node in own if node.state in PENDING),
        leader="" if leader is None else leader.holder,
        error=_error(backoff) or error,
        next_try=_next_try(backoff) if backoff is not None else min((each.next_try for _, each in wrong), default=None),
    )


def _served(records: Snapshot, diskimage: str, provider: str) -> bool:
    return any(
        each.diskimage == diskimage and each.provider == provider and each.state is UploadState.READY
        for each in records.uploads.values()
    )


def _by_id(image: Build | Upload) -> str:
    return image.id


def _error(backoff: Backoff | None) -> str:
    return "" if backoff is None else backoff.error


def _next_try(backoff: Backoff | None) -> float | None:
    return None if backoff is None else backoff.next_try
