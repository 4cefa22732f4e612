"""The tree of a native file against the settings: every key known, every value of its type."""

import types
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from nodepool_lite.config.duration import seconds
from nodepool_lite.config.ignored import IGNORED
from nodepool_lite.config.problem import Position, Report, did_you_mean, nearest
from nodepool_lite.config.settings import PATTERNS, Config, Section, split
from nodepool_lite.config.tree import Item, scalar_value


@dataclass(frozen=True)
class Shape:
    """What a key of a section holds, as far as the walk needs to know."""

    section: type[Section] | None
    """The section that it is, or is a list of."""
    single: bool
    """It is one such section and no list."""
    collection: bool
    """A list or mapping: an empty value means an empty one."""
    optional: bool
    """No value means the default."""
    free: bool
    """A mapping of values of any type, read as YAML reads them."""
    duration: bool
    """Seconds, or a text such as `15m`."""
    directories: bool
    """A list of directories, or one text with colons between them."""


@cache
def shapes(section: type[Section]) -> Mapping[str, Shape]:
    """Return the keys of a section as they are written, and what each holds."""
    return {field.alias or name: _shape(field) for name, field in section.model_fields.items()}


def sections() -> tuple[type[Section], ...]:
    """Return every section there is, each before those that it holds."""
    found: list[type[Section]] = []

    def visit(section: type[Section]) -> None:
        if section not in found:
            found.append(section)
            for shape in shapes(section).values():
                if shape.section is not None:
                    visit(shape.section)

    visit(Config)
    return tuple(found)


def _shape(field: FieldInfo) -> Shape:
    annotation: Any = field.annotation
    converters = {getattr(each, "func", None) for each in field.metadata}
    optional = False
    if get_origin(annotation) in {Union, types.UnionType}:
        optional = type(None) in get_args(annotation)
        annotation = next(each for each in get_args(annotation) if each is not type(None))
    origin, arguments = get_origin(annotation), get_args(annotation)
    inner = arguments[0] if origin is tuple else None
    single = isinstance(annotation, type) and issubclass(annotation, Section)
    section = annotation if single else inner if isinstance(inner, type) and issubclass(inner, Section) else None
    collection = origin in {tuple, Mapping} or (isinstance(origin, type) and issubclass(origin, Mapping))
    free = collection and origin is not tuple and arguments[1] is Any
    return Shape(section, single, collection, optional, free, seconds in converters, split in converters)


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
            report.error(at, f"unknown key `{key}`", did_you_mean(key, {*known, *ignored}))
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
        return Config.model_validate(_plain_section(root, Config))
    except ValidationError as error:
        for each in error.errors(include_url=False):
            _tell(each, root, report)
    return None


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


_EXPECTED = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text",
    "path_type": "a path",
    "tuple_type": "a list",
    "mapping_type": "a mapping",
    "dict_type": "a mapping",
    "model_type": "a mapping of settings",
    "model_attributes_type": "a mapping of settings",
    "string_too_short": "some text",
}


def _tell(error: ErrorDetails, root: Item, report: Report) -> None:
    """Turn one of pydantic's findings into a problem at its place."""
    kind, context = error["type"], error.get("ctx", {})
    item, key = find(root, error["loc"])
    if kind == "default_factory_not_called":
        return
    if kind == "missing":
        report.error(item.at, f"the key `{error['loc'][-1]}` is missing here")
        return
    match kind:
        case "value_error":
            expected = str(context["error"]).removeprefix("expected ")
        case "literal_error":
            expected = f"one of {context['expected']}"
        case "greater_than_equal":
            expected = f"at least {context['ge']}"
        case "less_than_equal":
            expected = f"at most {context['le']}"
        case "string_too_long":
            expected = f"at most {context['max_length']} characters"
        case "string_pattern_mismatch":
            expected = PATTERNS[context["pattern"]]
        case _:
            expected = _EXPECTED.get(kind, error["msg"])
    if error["loc"][-1] == "[key]":  # pydantic's own mark: it is the key of a mapping that is wrong
        report.error(item.key_at or item.at, f"expected {expected}, not `{error['loc'][-2]}`")
    else:
        report.error(item.at, f"{key}expected {expected}, not {item.kind}")


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
