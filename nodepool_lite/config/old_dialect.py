"""The dialect of Nodepool 0.3-0.5, translated: every key that moves or means nothing here is named in a notice."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec.structs import replace

from nodepool_lite.config.problem import Position, Report
from nodepool_lite.config.settings import Config
from nodepool_lite.config.tree import Item
from nodepool_lite.config.validate import known_entries

_DROPPED = {
    "dburi": "the pool's state is in ZooKeeper",
    "zmq-publishers": "no events of a CI system are listened to",
    "gearman-servers": "no Gearman server is asked for demand; `min-ready` and `grab` are the demand",
    "targets": "nodes are handed out by `grab`, not registered with a CI system",
}
_TOP = ("script-dir", "cron", *_DROPPED)
LABEL_KEYS = ("image", "providers")
"""Keys that only an old label has."""
_CRON = {"check": "check-cron", "cleanup": "cleanup-cron"}
_CRON_FIELDS = 5


class Dialect(StrEnum):
    """Which of Nodepool's ways to write a configuration a file uses."""

    OLD = "old"
    CURRENT = "current"


def to_native(root: Item, report: Report) -> tuple[Item, Dialect]:
    """Return the tree as the native dialect would have it, and the dialect that the file is written in."""
    entries = known_entries(root, Config, report, also=_TOP)
    tree = root.but(entries)
    old = _evidence(tree, {"labels": LABEL_KEYS, "providers": ("images",)})
    new = _evidence(tree, {"providers": ("pools", "diskimages", "cloud-images")})
    is_old = bool(old) or (not new and any(key in entries for key in _TOP))
    if old and new:
        (old_key, old_at), (new_key, new_at) = old, new
        report.error(
            new_at,
            f"this file mixes two dialects: `{new_key}` here is of Nodepool 3 and later, "
            f"`{old_key}` in line {old_at.line} is of Nodepool 0.x",
            "write one of them throughout",
        )
    tree = _top(tree, report)
    if not is_old:
        return tree, Dialect.CURRENT
    from nodepool_lite.config.old_translation import Translation  # noqa: PLC0415 - only an old file pays for the import

    return Translation(tree, report).tree(), Dialect.OLD


def _evidence(tree: Item, signs: Mapping[str, tuple[str, ...]]) -> tuple[str, Position] | None:
    """Return the first key that only one dialect has, and its place."""
    for section, keys in signs.items():
        for item in tree.each(section):
            for key in keys:
                found = item.get(key)
                if found is not None:
                    return key, found.key_at or found.at
    return None


def _top(tree: Item, report: Report) -> Item:
    """Translate the keys of the top level."""
    entries: dict[str, Item] = {}
    for key, value in (tree.entries or {}).items():
        at = value.key_at or value.at
        if key in _DROPPED:
            report.notice(at, f"ignored: `{key}`", _DROPPED[key])
        elif key == "script-dir":
            report.notice(at, "translated: `script-dir`", "now `scripts-dir`")
            entries.setdefault("scripts-dir", value)
        elif key == "cron":
            entries |= _cron(value, report)
        else:
            entries[key] = value
    update = (tree.get("cron") or tree).get("image-update")
    if update is not None and "cron" in (tree.entries or {}):
        entries |= _image_update(update, entries.get("diskimages"), report)
    return tree.but(entries)


def _cron(cron: Item, report: Report) -> dict[str, Item]:
    found: dict[str, Item] = {}
    if cron.entries is None:
        report.error(cron.at, f"`cron`: expected a mapping with `check` and `cleanup`, not {cron.nature}")
    for key, value in (cron.entries or {}).items():
        at = value.key_at or value.at
        fields = (value.text or "").split()
        if key in _CRON and len(fields) in {_CRON_FIELDS, _CRON_FIELDS + 1}:
            dropped = "" if len(fields) == _CRON_FIELDS else f", without its seconds `{fields[-1]}`"
            report.notice(at, f"translated: `{key}`", f"now `{_CRON[key]}`{dropped}")
            found[_CRON[key]] = replace(value, text=" ".join(fields[:_CRON_FIELDS]), raw=None, plain=False)
        elif key in _CRON:
            report.error(value.at, f"`{key}`: expected five fields, or six with the seconds last, not {value.kind}")
        elif key != "image-update":
            report.unknown_key(at, key, [*_CRON, "image-update"], " in `cron`")
    return found


def _image_update(update: Item, diskimages: Item | None, report: Report) -> dict[str, Item]:
    """Let images be rebuilt as often as `image-update` did, unless they say themselves how old they may become."""
    from nodepool_lite.config.cron import longest_gap  # noqa: PLC0415 - only this key pays for the import

    at = update.key_at or update.at
    try:
        age = f"{longest_gap(' '.join((update.text or '').split()[:_CRON_FIELDS])):.0f}"
    except ValueError as error:
        report.error(update.at, f"`image-update`: {error}")
        return {}
    report.notice(at, "translated: `image-update`", f"now `rebuild-age: {age}` of each diskimage without one")
    if diskimages is None or diskimages.items is None:
        return {}
    value = Item(update.at, at, text=age)
    images = tuple(
        each.but({**each.entries, "rebuild-age": each.get("rebuild-age") or value}) if each.entries else each
        for each in diskimages.items
    )
    return {"diskimages": Item(diskimages.at, diskimages.key_at, items=images)}
