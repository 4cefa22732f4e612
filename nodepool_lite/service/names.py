"""From what people type to the records they mean."""

import getpass
from collections.abc import Mapping
from typing import TypeVar

from nodepool_lite.config.problem import did_you_mean
from nodepool_lite.config.settings import Config, Diskimage, Label, Provider
from nodepool_lite.model.errors import NoSuchThingError, UnreadableRecordError
from nodepool_lite.model.image import Build, Upload
from nodepool_lite.model.lease import Lease
from nodepool_lite.model.node import Node
from nodepool_lite.store.base import Snapshot

NUMBER = 10
"""Digits in the ids that the store numbers."""
Named = TypeVar("Named", Label, Diskimage, Provider)
Image = TypeVar("Image", Build, Upload)


def login_name(environ: Mapping[str, str]) -> str:
    """Return who is at the keyboard: the one who called sudo, if it was used."""
    name = environ.get("SUDO_USER") or getpass.getuser()
    return name.encode(errors="replace").decode()


def node_by_id(nodes: Mapping[str, Node], name: str) -> Node | None:
    """Return the node with that id; leading zeros may be left out."""
    return nodes.get(name.zfill(NUMBER)) if name.isdigit() else nodes.get(name)


def node_named(nodes: Mapping[str, Node], name: str) -> Node | None:
    """Return the node with that id (leading zeros may be left out), host name or server id."""
    by_name = (node for node in nodes.values() if name in {node.hostname, node.server_id})
    return node_by_id(nodes, name) or next(by_name, None)


def must_be_readable(records: Snapshot, name: str) -> None:
    """Raise UnreadableRecordError if a record of that name is there and cannot be read."""
    for path, why in records.garbage.items():
        record_id = path.partition("/")[2]
        if name in {path, record_id, record_id.replace("/", "-"), record_id.lstrip("0")}:
            raise UnreadableRecordError(f"the record {path} cannot be read: {why}; {unreadable_hint(path, records)}")


def unreadable_hint(path: str, records: Snapshot) -> str:
    """Return what to do about a record that cannot be read."""
    if path in records.newer:
        return "what it speaks of is left alone until then"
    return "what it speaks of is left alone until you mend the record, or remove it with ZooKeeper's own tools"


def the_node(records: Snapshot, name: str) -> Node:
    """Return the node of that name; raises NoSuchThingError, or UnreadableRecordError."""
    found = node_named(records.nodes, name)
    if found is None:
        must_be_readable(records, name)
        raise NoSuchThingError(f"there is no node {name}; `nodepool-lite list` shows all")
    return found


def the_lease(records: Snapshot, name: str) -> Lease:
    """Return the lease with that id; raises NoSuchThingError, or UnreadableRecordError."""
    found = records.leases.get(name)
    if found is None:
        must_be_readable(records, name)
        raise NoSuchThingError(f"there is no lease {name}; `nodepool-lite leases --all` shows all that are still known")
    return found


def image_named(images: Mapping[str, Image], name: str) -> Image | None:
    """Return the build or upload with that id, with slashes or as it is listed with hyphens."""
    return images.get(name) or next((image for image in images.values() if image.name == name), None)


def the_build(records: Snapshot, name: str) -> Build:
    """Return the build of that name; raises NoSuchThingError, or UnreadableRecordError."""
    found = image_named(records.builds, name)
    if found is None:
        must_be_readable(records, name)
        raise NoSuchThingError(f"there is no image build {name}; `nodepool-lite dib-image-list` shows all")
    return found


def the_upload(records: Snapshot, name: str) -> Upload:
    """Return the upload of that name; raises NoSuchThingError, or UnreadableRecordError."""
    found = image_named(records.uploads, name)
    if found is None:
        must_be_readable(records, name)
        raise NoSuchThingError(f"there is no uploaded image {name}; `nodepool-lite image-list` shows all")
    return found


def the_label(config: Config, name: str) -> Label:
    """Return the configured label; raises NoSuchThingError."""
    return _configured("label", config.labels, name)


def the_provider(config: Config, name: str) -> Provider:
    """Return the configured provider; raises NoSuchThingError."""
    return _configured("provider", config.providers, name)


def the_diskimage(config: Config, name: str) -> Diskimage:
    """Return the diskimage that a name means: its own, an alias, or a label made from it; raises NoSuchThingError."""
    recipes = tuple(each for each in config.diskimages if not each.abstract)
    behind = (image for image in config.images_of(name) if config.diskimage(image))
    known = config.resolve_diskimage(name) or config.resolve_diskimage(next(behind, ""))
    return _configured("diskimage", recipes, name if known is None else known.name)


def _configured(kind: str, sections: tuple[Named, ...], name: str) -> Named:
    for section in sections:
        if section.name == name:
            return section
    suggestion = did_you_mean(name, (section.name for section in sections))
    raise NoSuchThingError(
        f"there is no {kind} {name} in the configuration" + (f"; {suggestion}" if suggestion else "")
    )
