"""The tree of a native file against the settings: every key known, every value of its type."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from nodepool_lite.config.ignored import IGNORED
from nodepool_lite.config.problem import Position, Report, nearest
from nodepool_lite.config.secrets import may_be_secret, without_value
from nodepool_lite.config.section import Section
from nodepool_lite.config.settings import Config
from nodepool_lite.config.shapes import Shape, shapes
from nodepool_lite.config.tree import Item, scalar_value
from nodepool_lite.config.values import Wrong, WrongValuesError, read


def known_keys(root: Item, report: Report) -> Item:
    """Return the tree with known keys alone; what was left out, or taken as another key, is in `report`."""
    return _section(root, Config, report)


def known_entries(item: Item, section: type[Section], report: Report, also: Collection[str] = ()) -> dict[str, Item]:
    """Return a mapping's entries whose keys the section has, or that are in `also`.

    A key that is very near to a known one is an error, and is taken for it, so that what it holds is looked at too.
    """
    known, ignored = {*shapes(section), *also}, IGNORED.get(section, {})
    given = item.entries or {}
    entries: dict[str, Item] = {}
    for key, value in given.items():
        at = value.key_at or value.at
        if key in ignored:
            report.notice(at, f"ignored: `{key}`", ignored[key])
        elif key in known:
            entries[key] = value
        else:
            meant = nearest(key, known)
            report.unknown_key(at, key, {*known, *ignored})
            if meant is not None and meant not in given:
                entries.setdefault(meant, value)
    return entries


def _section(item: Item, section: type[Section], report: Report) -> Item:
    known = shapes(section)
    entries = known_entries(item, section, report)
    return item.but({key: _value(value, known[key], report) for key, value in entries.items()})


def _value(value: Item, shape: Shape, report: Report) -> Item:
    if shape.section is not None and shape.single and value.entries is not None:
        return _section(value, shape.section, report)
    if shape.section is None or shape.single or value.items is None:
        return value
    kept = tuple(_section(each, shape.section, report) if each.entries is not None else each for each in value.items)
    return Item(value.at, value.key_at, items=kept)


def to_config(root: Item, report: Report) -> Config | None:
    """Return the settings that a tree of known keys describes; None when a value is wrong, as `report` says."""
    try:
        return read(Config, _plain_section(root, Config))
    except WrongValuesError as error:
        for each in error.wrong:
            _tell(each, root, report)
    return None


def given(item: Item, section: type[Section]) -> frozenset[str]:
    """Return the names of the fields of a section that a tree of known keys says something about."""
    return frozenset(shapes(section)[key].name for key, _ in _plain_entries(item, shapes(section)))


def _plain_section(item: Item, section: type[Section]) -> dict[str, Any]:
    known = shapes(section)
    return dict(_plain_entries(item, known))


def _plain_entries(item: Item, known: Mapping[str, Shape]) -> Iterator[tuple[str, Any]]:
    for key, value in (item.entries or {}).items():
        shape = known[key]
        if value.empty and (shape.collection or shape.optional):
            continue
        section = shape.section
        if section is not None and shape.single and value.entries is not None:
            yield key, _plain_section(value, section)
        elif section is not None and value.items is not None:
            yield (
                key,
                [_plain_section(each, section) if each.entries is not None else plain(each) for each in value.items],
            )
        elif value.entries is not None and not shape.free:
            yield key, {name: "" if each.empty else plain(each) for name, each in value.entries.items()}
        else:
            yield key, resolved(value) if shape.free else plain(value)


def plain(item: Item) -> Any:
    """Return the item as lists, dicts and text: what a scalar means is its field's business."""
    if item.entries is not None:
        return {key: plain(value) for key, value in item.entries.items()}
    if item.items is not None:
        return [plain(each) for each in item.items]
    return item.text


def resolved(item: Item) -> Any:
    """Return the item as YAML reads it: numbers and booleans where they are written without quotes."""
    if item.entries is not None:
        return {key: resolved(value) for key, value in item.entries.items()}
    if item.items is not None:
        return [resolved(each) for each in item.items]
    if item.text is None or not item.plain:
        return item.text
    return scalar_value(item.text)


def _tell(wrong: Wrong, root: Item, report: Report) -> None:
    """Turn one finding into a problem at its place."""
    item, key = find(root, wrong.way)
    if not wrong.expected:
        report.error(item.at, f"the key `{wrong.way[-1]}` is missing here")
    elif wrong.key:
        said = without_value(str(wrong.way[-1]))
        report.error(item.key_at or item.at, f"expected {wrong.expected}, not `{said}`")
    else:
        unsaid = wrong.expected.startswith(("a list", "a mapping")) or may_be_secret(wrong.way)
        said = item.nature if unsaid else item.kind
        report.error(item.at, f"{key}expected {wrong.expected}, not {said}")


def find(root: Item, path: tuple[int | str, ...]) -> tuple[Item, str]:
    """Return the deepest item on a path of keys and indexes, and its key as the start of a sentence."""
    item, key = root, ""
    for step in path:
        if isinstance(step, int) and item.items is not None and step < len(item.items):
            item = item.items[step]
        elif isinstance(step, str) and item.get(step) is not None:
            item, key = item.entries[step], f"`{step}`: "  # type: ignore[index]
        else:
            break
    return item, key


def place(root: Item, path: tuple[int | str, ...]) -> Position:
    """Return where the deepest item on a path stands."""
    return find(root, path)[0].at
