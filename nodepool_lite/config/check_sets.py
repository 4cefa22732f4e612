"""Node sets of several labels: what each is made of, and whether the pools that offer one can make it."""

from collections.abc import Collection, Iterable, Iterator

from nodepool_lite.config.problem import Report, did_you_mean
from nodepool_lite.config.settings import PoolLabel
from nodepool_lite.config.texts import LARGEST_SET, is_true
from nodepool_lite.config.tree import Item

_DIGITS = 18
"""More than any number has that can be meant."""


def check_sets(root: Item, report: Report) -> None:
    """Report every node set that cannot be made as it is written."""
    labels = {each.word("name"): each for each in root.each("labels") if each.word("name")}
    for label in root.each("labels"):
        nodeset = label.get("nodeset")
        if nodeset is not None:
            _label(label, nodeset, labels, report)
        if nodeset is not None or size(label) > 1:
            for provider in root.each("providers"):
                for pool in provider.each("pools"):
                    _pool(pool, label, labels, report)


def size(label: Item) -> int:
    """Return how many machines a label hands out together; what is no number counts as the default."""
    if label.get("nodeset") is not None:
        return sum(count for _name, count in _members(label))
    return 1 + (number(label.get("subnodes")) or 0)


def number(item: Item | None) -> int | None:
    """Return the whole number that an item is; None for anything else."""
    text = "" if item is None or item.text is None else item.text
    return int(text) if text.isdecimal() and len(text) <= _DIGITS else None


def _members(label: Item) -> Iterator[tuple[str, int]]:
    for member in label.each("nodeset"):
        count = number(member.get("count"))
        yield member.word("label"), 1 if count is None else count


def _label(label: Item, nodeset: Item, labels: dict[str, Item], report: Report) -> None:
    name = label.word("name")
    subnodes = label.get("subnodes")
    if subnodes is not None:
        hint = "leave one of them out: `nodeset` lists every machine, the primary among them"
        report.error(subnodes.key_at or subnodes.at, f"the label `{name}` has `subnodes` and `nodeset`", hint)
    if nodeset.empty or nodeset.items == ():
        hint = "list labels, each with a `count`, or leave the key out"
        report.error(nodeset.key_at or nodeset.at, f"the nodeset of `{name}` is empty", hint)
    if size(label) > LARGEST_SET:
        message = f"a set of `{name}` has {size(label)} machines, more than {LARGEST_SET}"
        report.error(nodeset.key_at or nodeset.at, message, "lower the counts")
    for member in label.each("nodeset"):
        wanted = member.get("label")
        if wanted is not None and wanted.text is not None:
            _member(wanted, wanted.text, labels, name, report)


def _member(at: Item, wanted: str, labels: dict[str, Item], owner: str, report: Report) -> None:
    known = [each for each, item in labels.items() if not _is_set(item)]
    if wanted not in labels:
        hint = did_you_mean(wanted, known) or "name a label of this file"
        report.error(at.at, f"unknown label `{wanted}` in the nodeset of `{owner}`", hint)
    elif _is_set(labels[wanted]):
        hint = "a node set is made of labels of single machines: name those"
        report.error(at.at, f"the label `{wanted}` in the nodeset of `{owner}` is a set of machines itself", hint)


def _is_set(label: Item) -> bool:
    return label.get("nodeset") is not None or bool(number(label.get("subnodes")))


def _pool(pool: Item, label: Item, labels: Collection[str], report: Report) -> None:
    name = label.word("name")
    made = {each.word("name"): each for each in pool.each("labels")}
    offered = made.get(name)
    if offered is None:
        return
    if label.get("nodeset") is None:
        _room(pool, label, made, report)
        return
    for key, value in (offered.entries or {}).items():
        if key != "name":
            hint = "leave it out: each machine is made as the pool's entry of its own label says"
            report.error(value.key_at or value.at, f"`{key}` means nothing for the node set `{name}`", hint)
    members = dict.fromkeys(each for each, _count in _members(label))
    lacking = [each for each in members if each in labels and each not in made]
    if lacking:
        hint = "add each to the `labels` of the same pool: a set is made in one"
        report.error(offered.place("name"), f"this pool offers `{name}`, and not {_named(lacking)}", hint)
    _room(pool, label, made, report)


def _room(pool: Item, label: Item, made: dict[str, Item], report: Report) -> None:
    """Report a limit of the pool within which no set can ever be made."""
    name = label.word("name")
    members = _members(label) if label.get("nodeset") is not None else [(name, size(label))]
    machines = [(made[each], count) for each, count in members if each in made]
    with_volume = [(each, count) for each, count in machines if is_true(each.word("boot-from-volume"))]
    needs = (
        ("max-servers", "servers", size(label)),
        ("max-cores", "cores", _sum(machines, "cores", 1)),
        ("max-ram", "MiB of RAM", _sum(machines, "min-ram", 0)),
        ("max-volumes", "volumes", sum(count for _each, count in with_volume)),
        ("max-volume-gb", "GiB of volumes", _sum(with_volume, "volume-size", PoolLabel(name=name).volume_size)),
    )
    for limit, what, need in needs:
        allowed = number(pool.get(limit))
        if allowed is not None and need > allowed:
            message = f"a set of `{name}` needs {need} {what}, and `{limit}` of this pool is {allowed}"
            hint = f"raise `{limit}`, or take `{name}` out of this pool"
            report.error(pool.place(limit), message, hint)


def _sum(machines: Iterable[tuple[Item, int]], key: str, default: int) -> int:
    """Return how much of something they take together, at least: what is not said counts as the default."""
    amounts = ((number(each.get(key)), count) for each, count in machines)
    return sum((default if amount is None else amount) * count for amount, count in amounts)


def _named(names: Collection[str]) -> str:
    return " and ".join(f"`{each}`" for each in names)
