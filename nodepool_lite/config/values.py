"""From lists, dicts and text to typed settings: all values that are wrong are found, not only the first."""

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from msgspec import NODEFAULT, Struct, inspect

from nodepool_lite.config.section import Section
from nodepool_lite.config.shapes import shapes, unmarked
from nodepool_lite.config.texts import BOOLEANS, CHECK, PATTERNS, READ

S = TypeVar("S", bound=Section)
Way = tuple[int | str, ...]

_DIGITS = 4300
"""Python takes no longer text for a number."""


class Wrong(Struct, frozen=True):
    """One value that is not what it has to be."""

    way: Way
    """The keys and indexes on the way to it."""
    expected: str
    """Empty for a key that is missing."""
    key: bool = False
    """It is the key itself, the last on the way, that is wrong."""

    def __str__(self) -> str:
        """The way to it, and what was expected there."""
        return f"{'.'.join(map(str, self.way))}: {f'expected {self.expected}' if self.expected else 'is missing'}"


class WrongValuesError(ValueError):
    """Values of a section are wrong: all of them, in the order of its keys."""

    def __init__(self, wrong: tuple[Wrong, ...]) -> None:
        super().__init__("; ".join(map(str, wrong)))
        self.wrong = wrong


def read(section: type[S], data: Mapping[str, Any]) -> S:
    """Return the section that `data` describes, with keys as in the file or as the fields are named.

    Raises:
        WrongValuesError: it tells every value that is wrong.
    """
    reading = _Reading()
    found: S | None = reading.section(section, data, ())
    if found is None:
        raise WrongValuesError(tuple(reading.wrong))
    return found


class _Reading:
    """Collects what is wrong; each method returns the typed value, or None when something of it is."""

    def __init__(self) -> None:
        self.wrong: list[Wrong] = []

    def section(self, section: type[S], data: Mapping[str, Any], way: Way) -> S | None:
        """Return the section with all its values."""
        before, known = len(self.wrong), shapes(section)
        given = {key.replace("_", "-"): key for key in data}
        for key in sorted(given.keys() - known.keys()):
            self._expect("a known key", (*way, given[key]), key=True)
        values = {
            shape.name: self.value(shape.whole, data[given[key]], (*way, given[key]))
            for key, shape in known.items()
            if key in given
        }
        for key, shape in known.items():
            if shape.default is NODEFAULT and key not in given:
                self._expect("", (*way, key))
        return section(**values) if len(self.wrong) == before else None

    def value(self, info: inspect.Type, given: Any, way: Way) -> Any:
        """Return what a value means as one of that type."""
        bare, marks, optional = unmarked(info)
        if given is None and optional:
            return None
        try:
            found = self._bare(bare, marks[READ](given) if READ in marks else given, way)
            if CHECK in marks and found is not None:
                marks[CHECK](found)
        except ValueError as error:
            return self._expect(str(error).removeprefix("expected "), way)
        return found

    def _bare(self, info: inspect.Type, given: Any, way: Way) -> Any:
        match info:
            case inspect.StructType():
                mapping = isinstance(given, Mapping)
                return self.section(info.cls, given, way) if mapping else self._expect("a mapping of settings", way)
            case inspect.VarTupleType():
                _must(isinstance(given, list | tuple), "a list")
                return tuple(self.value(info.item_type, each, (*way, index)) for index, each in enumerate(given))
            case inspect.DictType():
                _must(isinstance(given, Mapping), "a mapping")
                return {
                    self._key(info, key, way): self.value(info.value_type, given[key], (*way, key)) for key in given
                }
            case inspect.LiteralType():
                return _one_of(info.values, given)
            case inspect.AnyType():
                return given
            case _:
                return _SCALARS[type(info)](info, given)

    def _key(self, info: inspect.DictType, key: str, way: Way) -> str:
        try:
            self._bare(info.key_type, key, way)
        except ValueError as error:
            self._expect(str(error), (*way, key), key=True)
        return key

    def _expect(self, expected: str, way: Way, *, key: bool = False) -> None:
        self.wrong.append(Wrong(way, expected, key))


def _must(right: bool, expected: str) -> None:
    if not right:
        raise ValueError(expected)


def _one_of(values: tuple[Any, ...], given: Any) -> Any:
    *others, last = map(repr, values)
    _must(given in values, f"one of {', '.join(others)} or {last}")
    return given


def _boolean(_: inspect.Type, given: Any) -> bool:
    found = given if isinstance(given, bool) else BOOLEANS.get(str(given).lower())
    _must(found is not None, "true or false")
    return bool(found)


def _whole(info: Any, given: Any) -> int:
    text = isinstance(given, str) and re.fullmatch(r"[+-]?[0-9]+", given.strip()) is not None
    _must(text or (_is_number(given) and math.isfinite(given) and given == int(given)), "a whole number")
    _must(not text or len(given) < _DIGITS, "a smaller whole number")
    found = int(given)
    _within(info, found)
    return found


def _number(info: Any, given: Any) -> float:
    found = _float(given)
    _must(found is not None, "a number")
    _must(math.isfinite(found or 0), "a finite number")
    _within(info, found)
    return found or 0.0


def _float(given: Any) -> float | None:
    try:
        return float(given) if isinstance(given, str) or _is_number(given) else None
    except (ValueError, OverflowError):
        return None


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def _within(info: Any, found: Any) -> None:
    _must(info.ge is None or found >= info.ge, f"at least {info.ge}")
    _must(info.le is None or found <= info.le, f"at most {info.le}")


def _text(info: Any, given: Any) -> str:
    _must(isinstance(given, str), "text")
    _must(len(given) >= (info.min_length or 0), "some text")
    _must(info.max_length is None or len(given) <= info.max_length, f"at most {info.max_length} characters")
    # The whole text: `$` alone would let a line break pass at its end.
    if info.pattern is not None:
        _must(re.fullmatch(info.pattern, given) is not None, PATTERNS[info.pattern])
    return str(given)


def _path(_: inspect.Type, given: Any) -> Path:
    _must(isinstance(given, str | Path), "a path")
    return Path(given)


_SCALARS: Mapping[type, Callable[[Any, Any], Any]] = {
    inspect.BoolType: _boolean,
    inspect.IntType: _whole,
    inspect.FloatType: _number,
    inspect.StrType: _text,
    inspect.CustomType: _path,
}
