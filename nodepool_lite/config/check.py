"""What the settings name must exist: labels, diskimages, images, elements, scripts; and nothing twice.

It looks at the tree, not at the Config, so that one wrong value elsewhere does not hide the rest.
"""

from collections.abc import Collection, Iterator
from string import Formatter

from msgspec import Struct

from nodepool_lite.config.check_sets import check_sets, number, size
from nodepool_lite.config.problem import Report, did_you_mean
from nodepool_lite.config.texts import is_true
from nodepool_lite.config.tree import Item

_META_KEYS, _META_LENGTH = 5, 255
_GIVEN = (
    "id", "name", "status", "owner", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value",
    "created_at", "updated_at", "tags", "disk_format", "container_format", "file", "schema", "self", "locations",
    "direct_url", "stores",
)  # fmt: skip
"""What Glance, or the pool, says of each image; no property can have such a name."""
_VISIBILITIES = ("private", "shared", "community", "public")
_PLACEHOLDERS = {
    "hostname-format": ("label", "node_id", "provider", "label.name", "node.id", "provider.name"),
    "image-name-format": ("image_name", "timestamp"),
}
_FORMATS = ("qcow2", "raw", "vhd", "vhdx", "vdi", "tar", "tgz", "squashfs", "docker", "aci")


class _Named(Struct, frozen=True):
    """Everything in the file that can be named from elsewhere in it."""

    labels: Collection[str]
    sets: Collection[str]
    """The labels with a `nodeset`."""
    diskimages: Collection[str]
    abstract: Collection[str]


def check(root: Item, report: Report) -> None:
    """Report every name in a native tree that leads nowhere, and every one that is there twice."""
    named = _Named(
        labels=_names(root.each("labels")),
        sets=_names(each for each in root.each("labels") if each.get("nodeset") is not None),
        diskimages=_names(root.each("diskimages")),
        abstract=_names(each for each in root.each("diskimages") if is_true(each.word("abstract"))),
    )
    for section in ("labels", "diskimages", "providers"):
        _unique(root.each(section), section.removesuffix("s"), report)
    for provider in root.each("providers"):
        _provider(provider, named, report)
    for label in root.each("labels"):
        _label(label, root, report)
    check_sets(root, report)
    for diskimage in root.each("diskimages"):
        _diskimage(diskimage, root, named, report)
    for key in ("check-cron", "cleanup-cron"):
        _cron(root.get(key), report)


def _label(label: Item, root: Item, report: Report) -> None:
    name = label.word("name")
    pools = [pool for provider in root.each("providers") for pool in provider.each("pools")]
    serving = [pool for pool in pools if name in _names(pool.each("labels"))]
    if serving:
        _room(label, serving, report)
    elif name:
        hint = "add it to the `labels` of a provider's pool, or take it out"
        report.error(label.place("name"), f"no provider makes the label `{name}`", hint)


def _room(label: Item, pools: list[Item], report: Report) -> None:
    """Warn about more nodes wanted than all pools of the label may hold."""
    limits = [number(pool.get("max-servers")) for pool in pools]
    wanted = (number(label.get("min-ready")) or 0) * size(label)
    known = [each for each in limits if each is not None]
    if len(known) == len(limits) and wanted > sum(known):
        message = f"{wanted} servers are to be kept ready, and the pools of this label allow {sum(known)}"
        report.warning(label.place("min-ready"), message, "raise `max-servers`")


def _provider(provider: Item, named: _Named, report: Report) -> None:
    if provider.entries is None:
        return
    if provider.word("driver") in {"", "openstack"} and not provider.word("cloud"):
        name = provider.word("name")
        hint = "name an entry of clouds.yaml with `cloud`, or choose another `driver`"
        report.error(provider.place("name"), f"the provider `{name}` has no `cloud`", hint)
    for kind, key in (("diskimage", "diskimages"), ("cloud-image", "cloud-images"), ("pool", "pools")):
        _unique(provider.each(key), kind, report)
    for image in provider.each("diskimages"):
        _is_diskimage(image.get("name"), named, report)
        _few(image.get("meta"), report)
        _properties(image, "meta", report)
        _format(image.get("format"), report)
    _format(provider.get("image-type"), report)
    for key, allowed in _PLACEHOLDERS.items():
        _template(provider.get(key), allowed, report)
    for pool in provider.each("pools"):
        _unique(pool.each("labels"), "label", report)
        for label in pool.each("labels"):
            _pool_label(label, provider, named, report)


def _pool_label(label: Item, provider: Item, named: _Named, report: Report) -> None:
    if label.entries is None:
        return
    name, image, cloud_image = label.get("name"), label.get("diskimage"), label.get("cloud-image")
    if name is not None and name.text is not None and name.text not in named.labels:
        report.error(name.at, f"unknown label `{name.text}`", _suggest(name.text, named.labels, "there are no labels"))
    if name is not None and name.text in named.sets:
        return  # its machines are made as their own labels say
    if (image is None) == (cloud_image is None):
        wrong = "neither" if image is None else "both"
        report.error(label.at, f"a label in a pool needs `diskimage` or `cloud-image`; there is {wrong}")
    _is_diskimage(image, named, report)
    if cloud_image is not None and cloud_image.text is not None:
        known = _names(provider.each("cloud-images"))
        if cloud_image.text not in known:
            suggestion = _suggest(cloud_image.text, known, "the provider has no cloud-images")
            report.error(cloud_image.at, f"unknown cloud-image `{cloud_image.text}`", suggestion)


def _diskimage(diskimage: Item, root: Item, named: _Named, report: Report) -> None:
    for wanted in diskimage.each("formats"):
        _format(wanted, report)
    _properties(diskimage, "metadata", report)
    parent = diskimage.get("parent")
    if parent is None or parent.text is None:
        return
    parents = {each.word("name"): each.word("parent") for each in root.each("diskimages")}
    if parent.text not in named.diskimages:
        suggestion = _suggest(parent.text, named.diskimages, "there are no diskimages")
        report.error(parent.at, f"unknown parent diskimage `{parent.text}`", suggestion)
    elif loop := _loop(diskimage.word("name"), parents):
        report.error(parent.at, f"a diskimage cannot be its own ancestor: {' -> '.join(loop)}")


def _loop(name: str, parents: dict[str, str]) -> list[str]:
    """Return the way from a diskimage back to itself; empty when there is none."""
    way = [name]
    while parents.get(way[-1]):
        way.append(parents[way[-1]])
        if way[-1] == name:
            return way
        if len(way) > len(parents):
            break
    return []


def _is_diskimage(item: Item | None, named: _Named, report: Report) -> None:
    if item is None or item.text is None:
        return
    if item.text not in named.diskimages:
        suggestion = _suggest(item.text, named.diskimages, "there are no diskimages")
        report.error(item.at, f"unknown diskimage `{item.text}`", suggestion)
    elif item.text in named.abstract:
        report.error(item.at, f"the diskimage `{item.text}` is abstract", "name one that has it as its `parent`")


def _properties(image: Item, key: str, report: Report) -> None:
    """Report properties of an image that the pool or the cloud itself gives it, and a visibility there is not."""
    properties = image.get(key)
    entries = (properties.entries or {}) if properties else {}
    for name, value in entries.items():
        if name in _GIVEN or name.startswith("nodepool_"):
            report.error(value.key_at or value.at, f"`{key}`: `{name}` cannot be chosen: every image is given its own")
        elif name == "visibility" and value.text not in _VISIBILITIES:
            hint = did_you_mean(value.text or "", _VISIBILITIES)
            report.error(value.at, f"`{key}`: unknown visibility `{value.text}`", hint)


def _few(meta: Item | None, report: Report) -> None:
    entries = (meta.entries or {}) if meta else {}
    if meta is not None and len(entries) > _META_KEYS:
        report.error(meta.at, f"`meta`: expected at most {_META_KEYS} keys, not {len(entries)}")
    for key, value in entries.items():
        if max(len(key), len(value.text or "")) > _META_LENGTH:
            report.error(value.at, f"`meta`: expected at most {_META_LENGTH} characters")


def _format(item: Item | None, report: Report) -> None:
    if item is not None and item.text and item.text not in _FORMATS:
        report.warning(item.at, f"unknown image format `{item.text}`", did_you_mean(item.text, _FORMATS))


def _template(item: Item | None, allowed: tuple[str, ...], report: Report) -> None:
    if item is None or item.text is None:
        return
    known = ", ".join(f"{{{each}}}" for each in allowed)
    try:
        parts = [part[1:] for part in Formatter().parse(item.text) if part[1] is not None]
    except ValueError as error:
        report.error(item.at, f"`{item.text}`: {error}", f"known: {known}")
        return
    for name, form, conversion in parts:
        if name not in allowed:
            report.error(item.at, f"unknown placeholder {{{name}}}", f"known: {known}")
        elif form or conversion:
            report.error(item.at, f"{{{name}}} stands with `:` or `!`", "write the placeholder alone")
    if "timestamp" in allowed and not any(name == "timestamp" for name, _, _ in parts):
        report.error(item.at, f"`{item.text}`: {{timestamp}} is missing", "without it, images have the same name")


def _cron(item: Item | None, report: Report) -> None:
    if item is None or not item.text:
        return
    from nodepool_lite.config.cron import check as check_cron  # noqa: PLC0415 - few files have one; it is not light

    try:
        check_cron(item.text)
    except ValueError as error:
        report.error(item.at, f"{error}, not {item.kind}")


def _unique(items: tuple[Item, ...], kind: str, report: Report) -> None:
    """Report names that stand twice in one list; a pool without a name is `main`."""
    seen: dict[str, Item] = {}
    for item in items:
        name = item.word("name") or ("main" if kind == "pool" else "")
        if name in seen:
            first = seen[name].place("name").line
            report.error(item.place("name"), f"a second {kind} `{name}`", f"the first is in line {first}")
        elif name:
            seen[name] = item


def _names(items: Iterator[Item] | tuple[Item, ...]) -> Collection[str]:
    return {each.word("name"): None for each in items if each.word("name")}


def _suggest(word: str, known: Collection[str], none: str) -> str:
    return did_you_mean(word, known) if known else none
