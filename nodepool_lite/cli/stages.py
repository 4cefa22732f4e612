"""How far a label is from its first ready node, as stages that a person can follow: image, upload, boot, script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nodepool_lite.config.settings import Config
from nodepool_lite.model.image import BuildState, UploadState
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.store.base import Snapshot

STAGES: Mapping[str, str] = {
    "image": "build the image",
    "upload": "upload it",
    "boot": "boot a node",
    "script": "run the ready-script",
}
"""The stages in their order, and what they do."""


@dataclass(frozen=True)
class Stage:
    """Where one stage stands; `fraction` runs from 0 to 1, `since` is when it began (epoch seconds)."""

    name: str
    fraction: float = 0.0
    detail: str = ""
    since: float | None = None

    @property
    def done(self) -> bool:
        """Whether it is behind us."""
        return self.fraction >= 1.0


@dataclass(frozen=True)
class Progress:
    """All stages of one label, its trouble at the moment, and the ready node, when there is one."""

    stages: tuple[Stage, ...]
    trouble: str = ""
    ready: Node | None = None


def progress(records: Snapshot, config: Config, label: str, now: float) -> Progress:
    """Return how far the label's most advanced node is."""
    images = [name for name in config.images_of(label) if config.diskimage(name) is not None]
    node = _foremost(records, label)
    image = _hindmost([_image(records, each) for each in images], "image")
    upload = _hindmost([_upload(records, each) for each in images], "upload")
    boot, script = _node_stages(node)
    stages = [image, upload, boot, script]
    for index in range(len(stages) - 1, 0, -1):  # what comes after something done was done as well
        if stages[index].fraction > 0:
            stages[:index] = [_done(stage) for stage in stages[:index]]
            break
    ready = node if node is not None and node.state is NodeState.READY else None
    return Progress(tuple(stages), "" if ready else _trouble(records, images, label, now), ready)


def _foremost(records: Snapshot, label: str) -> Node | None:
    order = [NodeState.BUILDING, NodeState.TESTING, NodeState.PREPARING, NodeState.READY]
    primaries = (node for node in records.nodes.values() if node.label == label and node.primary is None)
    own = [node for node in primaries if node.state in order]  # a set is ready when its primary is
    return max(own, key=lambda node: order.index(node.state), default=None)


def _hindmost(stages: Sequence[Stage], name: str) -> Stage:
    """Return the stage that is least far: a node set needs the images of all its machines."""
    return min(stages, key=lambda stage: stage.fraction, default=Stage(name))


def _image(records: Snapshot, image: str) -> Stage:
    own = sorted((b for b in records.builds.values() if b.diskimage == image), key=lambda b: b.id)
    if any(build.state is BuildState.READY for build in own):
        return Stage("image", 1.0)
    build = next((each for each in reversed(own) if each.state is BuildState.BUILDING), None)
    if build is None:
        return Stage("image")
    from nodepool_lite.actions.dib.log import phase_fraction  # noqa: PLC0415 - only while an image is built

    return Stage("image", min(0.99, 0.01 + phase_fraction(build.phase)), build.phase, build.created)


def _upload(records: Snapshot, image: str) -> Stage:
    own = [upload for upload in records.uploads.values() if upload.diskimage == image]
    if any(upload.state is UploadState.READY for upload in own):
        return Stage("upload", 1.0)
    busy = next((upload for upload in own if upload.state is UploadState.UPLOADING), None)
    if busy is None:
        return Stage("upload")
    return Stage("upload", min(0.99, 0.01 + busy.progress / 100), f"to {busy.provider}", busy.created)


def _node_stages(node: Node | None) -> tuple[Stage, Stage]:
    if node is None:
        return Stage("boot"), Stage("script")
    since = node.asked or node.created
    if node.state is NodeState.BUILDING:
        return Stage("boot", 0.1, f"node {node.id}", since), Stage("script")
    if node.state is NodeState.TESTING:
        return Stage("boot", 0.5, f"node {node.id} runs, waiting for SSH", since), Stage("script")
    if node.state is NodeState.PREPARING:
        step = node.script.step if node.script is not None else ""
        return Stage("boot", 1.0), Stage("script", 0.3, step or f"on node {node.id}", node.state_since)
    return Stage("boot", 1.0), Stage("script", 1.0)


def _trouble(records: Snapshot, images: Sequence[str], label: str, now: float) -> str:
    subjects = (*(f"build/{image}" for image in images), *(f"upload/{image}@" for image in images), f"launch/{label}@")
    for backoff in records.backoffs.values():
        if backoff.id.startswith(subjects):
            wait = max(0, int(backoff.next_try - now))
            return f"{backoff.error} (next try {f'in {wait} s' if wait else 'now'})"
    return ""


def _done(stage: Stage) -> Stage:
    return Stage(stage.name, 1.0)
