"""The second, secret file: how to get at ZooKeeper, and env-vars of diskimages, put over what the main file says."""

from nodepool_lite.config.problem import Report, did_you_mean
from nodepool_lite.config.tree import Item

_ACCESS = ("zookeeper-tls", "zookeeper-auth")
_TOP = ("zookeeper-servers", *_ACCESS, "diskimages")
_DISKIMAGE = ("name", "env-vars")


def merged(root: Item, secure: Item, report: Report) -> Item:
    """Return the main file's tree with what the secure file says on top."""
    _check(secure, _TOP, report)
    names = [each.word("name") for each in root.each("diskimages")]
    given = secure.get("diskimages")
    if given is not None and given.items is None:
        report.error(given.at, f"`diskimages`: expected a list, not {given.nature}")
    secrets: dict[str, Item] = {}
    for each in secure.each("diskimages"):
        _check(each, _DISKIMAGE, report)
        name, env = each.word("name"), each.get("env-vars")
        if name not in names:
            report.error(each.place("name"), f"unknown diskimage `{name}`", did_you_mean(name, names))
        if env is not None and env.entries is not None:
            secrets[name] = env
        elif env is not None:
            report.error(env.at, f"`env-vars`: expected a mapping, not {env.nature}")
    entries = dict(root.entries or {})
    for key, value in (secure.entries or {}).items():
        if key in _TOP and key != "diskimages":
            entries[key] = _over(entries.get(key), value) if key in _ACCESS else value
    if secrets and "diskimages" in entries:
        images = tuple(_with(each, secrets.get(each.word("name"))) for each in root.each("diskimages"))
        entries["diskimages"] = Item(entries["diskimages"].at, entries["diskimages"].key_at, items=images)
    return root.but(entries)


def _with(image: Item, secrets: Item | None) -> Item:
    if secrets is None:
        return image
    own = image.get("env-vars")
    filled = Item(own.at if own else image.at, entries=_entries(own) | _entries(secrets))
    return image.but({**_entries(image), "env-vars": filled})


def _over(main: Item | None, secret: Item) -> Item:
    """Return what both say of a mapping; the secure file wins."""
    return secret if secret.entries is None else secret.but(_entries(main) | _entries(secret))


def _entries(item: Item | None) -> dict[str, Item]:
    return dict(item.entries or {}) if item else {}


def _check(item: Item, known: tuple[str, ...], report: Report) -> None:
    for key, value in _entries(item).items():
        if key not in known:
            report.unknown_key(value.key_at or value.at, key, known, " in the secure file")
