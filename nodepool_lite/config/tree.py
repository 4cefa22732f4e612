"""YAML text as a tree in which every value knows its place in the file.

Scalars stay as they are written (`8.10` is not 8.1): the field they belong to says what they are read as.
"""

import re
from collections.abc import Iterator, Mapping

import yaml
from msgspec import Struct, field
from msgspec.structs import replace

from nodepool_lite.config.problem import Position, Report
from nodepool_lite.config.secrets import is_secret, may_be_secret, without_value

MAX_DEPTH = 50
MAX_ITEMS = 200_000
"""More than any real file has; aliases of aliases would otherwise grow without bound."""

_WRITTEN = re.compile(r"%(\(NODEPOOL_[A-Za-z0-9_]*\))")
_STAND_IN = "\ue000"
"""Put for the `%`, which cannot start a YAML word, while the text is parsed: one character, so columns stay right."""
_VARIABLE = re.compile(_STAND_IN + r"\((NODEPOOL_[A-Za-z0-9_]*)\)")
_NULL = ("", "~", "null", "Null", "NULL")
_STANDARD_TAGS = {f"tag:yaml.org,2002:{each}" for each in ("str", "int", "float", "bool", "null", "seq", "map")}
_PLAIN = yaml.SafeLoader("")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Item(Struct, frozen=True):
    """One value of the file: text, a list, a mapping, or nothing (`key:` with no value)."""

    at: Position
    key_at: Position | None = None
    """Where its key stands, when it is the value of one."""
    text: str | None = None
    raw: str | None = None
    """The text before environment values were put in."""
    plain: bool = True
    """Written without quotes."""
    items: tuple["Item", ...] | None = None
    entries: Mapping[str, "Item"] | None = None

    @property
    def kind(self) -> str:
        """What it is, in words for people; a text is quoted, but for values of variables that are secret."""
        hidden = self.raw is not None and self.raw != self.text and is_secret(self.raw)
        return self.nature if self.text is None else f"`{self.raw if hidden else self.text}`"

    @property
    def nature(self) -> str:
        """What it is, without what it says: for what may be secret."""
        if self.entries is not None:
            return "a mapping"
        if self.items is not None:
            return "a list"
        return "nothing" if self.text is None else "a text" if self.text else "an empty text"

    @property
    def empty(self) -> bool:
        """Whether there is no value at all."""
        return self.entries is None and self.items is None and self.text is None

    def get(self, key: str) -> "Item | None":
        """Return the value of a key; None when there is none, or when this is not a mapping."""
        return self.entries.get(key) if self.entries else None

    def word(self, key: str) -> str:
        """Return the text of a key's value; empty when there is none."""
        found = self.get(key)
        return (found.text or "") if found else ""

    def each(self, key: str) -> tuple["Item", ...]:
        """Return the elements of a key's list; empty when there is no list."""
        found = self.get(key)
        return (found.items or ()) if found else ()

    def place(self, key: str) -> Position:
        """Return where a key's value stands; the mapping's own place when there is none."""
        found = self.get(key)
        return found.at if found else self.at

    def but(self, entries: Mapping[str, "Item"]) -> "Item":
        """Return the same mapping, at the same place, with other entries."""
        return replace(self, entries=entries, items=None, text=None, raw=None)


def variables(text: str) -> list[str]:
    """Return the names in `%(NODEPOOL_X)`, each once, in order."""
    return list(dict.fromkeys(each.strip("()") for each in _WRITTEN.findall(text)))


def parse(text: str, file: str, environ: Mapping[str, str], report: Report) -> Item | None:
    """Return the one document in `text`; None when its YAML is broken, with the reasons in `report`."""
    try:
        events = yaml.parse(_WRITTEN.sub(_STAND_IN + r"\1", text), Loader=_LOADER)
        return _Composer(file, environ, report).compose(iter(events))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = Position(file, *_inside(text, mark.line, mark.column)) if mark else Position(file)
        said = ", ".join(filter(None, (error.context, error.problem)))
        report.error(at, f"this is not YAML: {said or 'it cannot be parsed'}", "check indentation, quotes and colons")
    except yaml.reader.ReaderError as error:
        before = text[: error.position] if isinstance(error.position, int) else ""
        at = Position(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
        report.error(at, f"this is not YAML: {error.reason}")
    except yaml.YAMLError as error:
        report.error(Position(file), f"this is not YAML: {error}")
    except _TooMuchError as error:
        report.error(error.at, str(error))
    return None


def _inside(text: str, line: int, column: int) -> tuple[int, int]:
    """Return line and column from 1; the parser puts what is missing at the end behind a last line with no newline."""
    lines = text.split("\n")
    return (line + 1, column + 1) if line < len(lines) else (len(lines), len(lines[-1]) + 1)


def scalar_tag(text: str) -> str:
    """Return the tag that YAML gives to a word without quotes, such as `tag:yaml.org,2002:int`."""
    return str(_PLAIN.resolve(yaml.ScalarNode, text, (True, False)))  # type: ignore[no-untyped-call]


def scalar_value(text: str) -> int | float | bool | str:
    """Return the number or boolean that YAML reads in a word without quotes; other words as they are."""
    tag = scalar_tag(text)
    read = {"int": _PLAIN.construct_yaml_int, "float": _PLAIN.construct_yaml_float, "bool": _PLAIN.construct_yaml_bool}
    try:
        return read.get(tag.rpartition(":")[2], lambda _: text)(yaml.ScalarNode(tag, text))
    except ValueError:
        return text


class _TooMuchError(Exception):
    """The document goes beyond what any configuration needs."""

    def __init__(self, at: Position, message: str) -> None:
        super().__init__(message)
        self.at = at


class _Open(Struct):
    """A list or mapping whose end has not come yet."""

    at: Position
    anchor: str | None
    mapping: bool
    items: list[Item] = field(default_factory=list)
    entries: dict[str, Item] = field(default_factory=dict)
    merges: list[Item] = field(default_factory=list)
    key: Item | None = None


class _Composer:
    """Builds the tree from parser events with a stack of its own, so that no nesting exhausts Python's."""

    def __init__(self, file: str, environ: Mapping[str, str], report: Report) -> None:
        self._file = file
        self._environ = environ
        self._report = report
        self._anchors: dict[str, tuple[Item, int]] = {}
        self._sizes: list[int] = [0]
        self._stack: list[_Open] = []
        self._root: Item | None = None
        self._documents = 0

    def compose(self, events: Iterator[yaml.Event]) -> Item | None:
        at = Position(self._file)
        for event in events:
            if event.start_mark:
                at = Position(self._file, event.start_mark.line + 1, event.start_mark.column + 1)
            match event:
                case yaml.DocumentStartEvent():
                    self._documents += 1
                    if self._documents > 1:
                        self._report.error(at, "a second document starts here", "keep one document per file")
                        return self._root
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self._open(event, at)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self._close()
                case yaml.ScalarEvent():
                    self._add(self._scalar(event, at), 1, event.anchor)
                case yaml.AliasEvent():
                    self._alias(event, at)
        return self._root or Item(Position(self._file))

    def _open(self, event: yaml.CollectionStartEvent, at: Position) -> None:
        self._check_tag(event.tag, at)
        if len(self._stack) >= MAX_DEPTH:
            raise _TooMuchError(at, f"nested deeper than {MAX_DEPTH} levels")
        self._stack.append(_Open(at, event.anchor, isinstance(event, yaml.MappingStartEvent)))
        self._sizes.append(1)

    def _close(self) -> None:
        top = self._stack.pop()
        if not top.mapping:
            item = Item(top.at, items=tuple(top.items))
        else:
            merged = {key: value for each in reversed(top.merges) for key, value in (each.entries or {}).items()}
            item = Item(top.at, entries=merged | top.entries)
        self._add(item, self._sizes.pop(), top.anchor)

    def _scalar(self, event: yaml.ScalarEvent, at: Position) -> Item:
        self._check_tag(event.tag, at)
        if "\0" in event.value:
            self._report.error(at, "there is a NUL character in this text", "no program takes one")
        plain = not event.style and event.tag is None
        if plain and event.value in _NULL:
            return Item(at)
        return Item(at, text=self._filled(event.value, at), raw=_VARIABLE.sub(r"%(\1)", event.value), plain=plain)

    def _filled(self, text: str, at: Position) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name not in self._environ:
                self._report.error(at, f"the environment has no {name}", f"set {name}, or write the value here")
            return self._environ.get(name, f"%({name})")

        return _VARIABLE.sub(value, text) if _STAND_IN in text else text

    def _alias(self, event: yaml.AliasEvent, at: Position) -> None:
        if event.anchor not in self._anchors:
            inside = any(each.anchor == event.anchor for each in self._stack)
            why = "stands inside of what it names" if inside else "names nothing above"
            self._refuse(at, "alias", f"*{event.anchor}", why)
            self._add(Item(at), 1, None)
            return
        item, size = self._anchors[event.anchor]
        self._add(item, size, None)

    def _add(self, item: Item, size: int, anchor: str | None) -> None:
        """Put a finished value into the innermost open list or mapping."""
        if anchor:
            self._anchors[anchor] = (item, size)
        self._sizes[-1] += size
        if self._sizes[-1] > MAX_ITEMS:
            raise _TooMuchError(item.at, f"more than {MAX_ITEMS} values, counting aliases")
        if not self._stack:
            self._root = item
        elif not self._stack[-1].mapping:
            self._stack[-1].items.append(item)
        elif self._stack[-1].key is None:
            self._stack[-1].key = item
        else:
            self._pair(self._stack[-1], self._stack[-1].key, item)
            self._stack[-1].key = None

    def _pair(self, top: _Open, key: Item, value: Item) -> None:
        if key.text is None:
            self._report.error(key.at, f"a key must be text, not {key.kind}")
        elif key.text == "<<" and key.plain:
            parts = value.items if value.items is not None else (value,)
            for part in parts:
                if part.entries is None:
                    self._report.error(key.at, f"`<<` merges mappings, not {part.nature}")
            top.merges.extend(part for part in parts if part.entries is not None)
        elif key.text in top.entries:
            first, said = top.entries[key.text].key_at or top.at, without_value(key.text)
            self._report.error(key.at, f"the key `{said}` stands here again", f"first in line {first.line}")
        else:
            top.entries[key.text] = replace(value, key_at=key.at)

    def _check_tag(self, tag: str | None, at: Position) -> None:
        if tag and tag != "!" and tag not in _STANDARD_TAGS:
            self._refuse(at, "tag", tag, "means nothing here", "leave it out")

    def _refuse(self, at: Position, what: str, name: str, why: str, suggestion: str = "") -> None:
        """Report a mark of YAML by its name, but for where it may be the beginning of a password."""
        if may_be_secret([each.key.text for each in self._stack if each.key is not None]):
            self._report.error(at, f"this {what} {why}", "put the value into quotes if it is to begin so")
        else:
            self._report.error(at, f"the {what} {name} {why}", suggestion)
