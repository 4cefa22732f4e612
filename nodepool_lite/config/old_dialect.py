"""The dialect of Nodepool 0.3-0.5, translated: every key that moves or means nothing here is named in a notice."""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from nodepool_lite.config.old_provider import OldProvider, pool_label
from nodepool_lite.config.problem import Position, Report, did_you_mean, nearest
from nodepool_lite.config.settings import Config, Label
from nodepool_lite.config.tree import Item
from nodepool_lite.config.validate import known_entries

_DROPPED = {
    "dburi": "the pool's state is in ZooKeeper",
    "zmq-publishers": "no events of a CI system are listened to",
    "gearman-servers": "no Gearman server is asked for demand; `min-ready` and `grab` are the demand",
    "targets": "nodes are handed out by `grab`, not registered with a CI system",
}
_TOP = ("script-dir", "cron", *_DROPPED)
_LABEL = ("image", "providers")
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
    old = _evidence(tree, {"labels": _LABEL, "providers": ("images",)})
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
    return (_Translation(tree, report).tree(), Dialect.OLD) if is_old else (tree, Dialect.CURRENT)


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
        report.error(cron.at, f"`cron`: expected a mapping with `check` and `cleanup`, not {cron.kind}")
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
            report.error(at, f"unknown key `{key}` in `cron`", did_you_mean(key, [*_CRON, "image-update"]))
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


class _Translation:
    """Labels, providers and diskimages of one old file, on their way into the native form."""

    def __init__(self, tree: Item, report: Report) -> None:
        self._tree = tree
        self._report = report
        self._providers = [OldProvider(each, report) for each in tree.each("providers")]
        self._key: Item | None = tree.get("private-key")
        self._usernames: dict[str, Item] = {}
        for provider in self._providers:
            for image in provider.images:
                self._take_login(image)

    def tree(self) -> Item:
        """Return the whole file in the native form."""
        entries = dict(self._tree.entries or {})
        labels = [self._label(each) for each in self._tree.each("labels")]
        changed = {
            "labels": tuple(each for each in labels if each is not None),
            "diskimages": tuple(self._diskimage(each) for each in self._tree.each("diskimages")),
            "providers": tuple(each.native() for each in self._providers),
        }
        for section, items in changed.items():
            whole = entries.get(section)
            if whole is not None and whole.items is not None:
                entries[section] = Item(whole.at, whole.key_at, items=items)
        if self._key is not None:
            entries["private-key"] = self._key
        return self._tree.but(entries)

    def _take_login(self, image: Item) -> None:
        """Note an image's `username` and `private-key`, which belong to the diskimage and to the pool now."""
        key, username, diskimage = image.get("private-key"), image.get("username"), image.word("diskimage")
        if key is not None:
            self._moved(key, "private-key", "`private-key` of the whole pool")
            if self._key is not None and self._key.text != key.text:
                self._report.warning(
                    key.at, f"the pool has one key: `{key.text}` is not used", f"`{self._key.text}` is used everywhere"
                )
            self._key = self._key or key
        if username is not None and diskimage:
            self._moved(username, "username", f"`username` of the diskimage `{diskimage}`")
            first = self._usernames.setdefault(diskimage, username)
            if first.text != username.text:
                self._report.warning(
                    username.at,
                    f"a diskimage has one user: `{username.text}` is not used",
                    f"line {first.at.line} says `{first.text}` for `{diskimage}`",
                )

    def _diskimage(self, diskimage: Item) -> Item:
        username = self._usernames.get(diskimage.word("name"))
        if username is None or diskimage.entries is None or "username" in diskimage.entries:
            return diskimage
        return diskimage.but({**diskimage.entries, "username": username})

    def _label(self, label: Item) -> Item | None:
        """Return the native label, after handing its images to the providers that make it."""
        if label.entries is None:
            return label
        entries = known_entries(label, Label, self._report, also=_LABEL)
        name = label.word("name")
        if label.word("min-ready") == "-1":
            self._report.notice(label.place("min-ready"), f"the label `{name}` is off (`min-ready: -1`): left out")
            return None
        if "min-ready" not in entries:
            self._report.notice(label.at, f"`min-ready` of the label `{name}` is 2, this dialect's default")
            entries["min-ready"] = Item(label.at, label.at, text="2")
        image, providers = entries.pop("image", None), entries.pop("providers", None)
        for key, value in (("image", image), ("providers", providers)):
            if value is None:
                self._report.error(label.at, f"the key `{key}` is missing in the label `{name}`")
        if image is not None and providers is not None:
            self._moved(image, "image", "`diskimage` of the label in the provider's pool")
            self._moved(providers, "providers", "`labels` of the provider's pool")
            self._serve(label.but(entries), image, providers)
        return label.but(entries)

    def _serve(self, label: Item, image: Item, providers: Item) -> None:
        """Give the label to each provider that it names."""
        if providers.items is None:
            self._report.error(providers.at, f"`providers`: expected a list, not {providers.kind}")
        for wanted in providers.items or ():
            known = {each.name: each for each in self._providers}
            name = wanted.word("name") or wanted.text or ""
            if name not in known:
                self._report.error(wanted.place("name"), f"unknown provider `{name}`", did_you_mean(name, known))
                continue
            found = self._image(known[name], image)
            if found is not None:
                known[name].labels.append(pool_label(label, found, known[name].keypair))

    def _image(self, provider: OldProvider, wanted: Item) -> Item | None:
        """Return the provider's image of that name; when there is none, the one that was probably meant."""
        images = {each.word("name"): each for each in provider.images}
        name = wanted.text or ""
        if name not in images:
            suggestion = did_you_mean(name, images) or "give the provider `images`"
            self._report.error(wanted.at, f"the provider `{provider.name}` has no image `{name}`", suggestion)
            return images.get(nearest(name, images) or "") or next(iter(images.values()), None)
        return images[name]

    def _moved(self, item: Item, key: str, new: str) -> None:
        self._report.notice(item.key_at or item.at, f"translated: `{key}`", f"now {new}")
