"""Node sets of several labels: what each is made of, and whether the pools that offer one can make it."""

from collections.abc import Collection, Iterator

from nodepool_lite.config.problem import Report, did_you_mean
from nodepool_lite.config.tree import Item

_LIMITS = (("max-cores", "cores", "cores"), ("max-ram", "min-ram", "MiB of RAM"))
"""A limit of a pool, the setting of a label that counts towards it, and what that is."""


def check_sets(root: Item, report: Report) -> None:
    """Report every node set that cannot be made as it is written."""
    labels = {each.word("name"): each for each in root.each("labels") if each.word("name")}
    for label in root.each("labels"):
        nodeset = label.get("nodeset")
        if nodeset is not None:
            _label(label, nodeset, labels, report)
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
    return int(item.text) if item is not None and item.text is not None and item.text.isdecimal() else None


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
    needs = [("max-servers", "servers", size(label))]
    for limit, key, what in _LIMITS:
        parts = [(number(made[each].get(key)), count) for each, count in _members(label) if each in made]
        needs.append((limit, what, sum(amount * count for amount, count in parts if amount is not None)))
    for limit, what, need in needs:
        allowed = number(pool.get(limit))
        if allowed is not None and need > allowed:
            message = f"a set of `{name}` needs {need} {what}, and `{limit}` of this pool is {allowed}"
            hint = f"raise `{limit}`, or take `{name}` out of this pool"
            report.error(pool.place(limit), message, hint)


def _named(names: Collection[str]) -> str:
    return " and ".join(f"`{each}`" for each in names)
