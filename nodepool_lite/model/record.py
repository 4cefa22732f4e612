"""What every record in the store has in common."""

from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar, Self, get_args

from msgspec import NODEFAULT, DecodeError, ValidationError, convert, json
from msgspec.structs import FieldInfo, fields, force_setattr

from nodepool_lite.model.value import Frozen

OWN = frozenset({"id", "version", "order", "unknown"})
"""Fields that are not part of the stored JSON: the store's, and what stands there in place of them."""


class Part(Frozen):
    """A value within something that is kept. Fields that a newer writer said, and we do not know, are kept with it."""

    unknown: MappingProxyType[str, Any] = MappingProxyType({})

    @classmethod
    def stored_fields(cls) -> tuple[str, ...]:
        """Return the names of the fields that are part of the stored JSON."""
        return tuple(_stored(cls))

    def said(self, *, defaults: bool) -> dict[str, Any]:
        """Return what JSON says of it: its fields, those that have their default if wanted, and the unknown ones."""
        return {name: _said(value, defaults=defaults) for name, value in self._values(defaults=defaults)}

    def _values(self, *, defaults: bool) -> Iterator[tuple[str, Any]]:
        for name, default in _stored(type(self)).items():
            value = getattr(self, name)
            if defaults or value != default:
                yield name, value
        yield from self.unknown.items()


class Record(Part):
    """One znode. `id`, `version` and `order` are the store's and are not part of the stored JSON."""

    SCHEMA: ClassVar[int] = 1
    """What `schema_version` says in records of this kind that are written now.

    It grows when those who know the last one would misread a record: a new state, or a field that means something else.
    A field that they may overlook needs no new version.
    """

    id: str = ""
    """The znode's path below its kind, e.g. `0000000042` or `debian-12/0000000001`."""
    version: int = -1
    """The version that was read, and that a write must still find; -1 for a record not stored yet."""
    order: int = 0
    """The transaction that created the record: server-side, so it orders records made on several hosts."""
    schema_version: int = 1

    @classmethod
    def read(cls, data: bytes, *, record_id: str, version: int, order: int) -> Self:
        """Return the record that the stored JSON holds, with what the store knows of it.

        Raises:
            ValueError: it holds none; the message says which field is wrong, and how.
        """
        try:
            record: Self = _decoded(cls, data)
        except RecursionError as error:
            raise DecodeError("JSON is malformed: it is nested too deeply") from error
        # On the spot: nobody else has this record yet, and thousands are read at a time.
        for name, value in (("id", record_id), ("version", version), ("order", order)):
            force_setattr(record, name, value)
        return record


class Event(Part):
    """One line of a life: when (epoch seconds), which state was entered, and why."""

    time: float
    state: str
    reason: str


@cache
def _decoder(kind: type[Part]) -> json.Decoder[Any]:
    return json.Decoder(kind)


@cache
def _stored(kind: type[Part]) -> Mapping[str, Any]:
    """Return the fields that are part of the stored JSON, and their defaults."""
    return {each.name: _default(each) for each in fields(kind) if each.name not in OWN}


def _default(field: FieldInfo) -> Any:
    return field.default if field.default_factory is NODEFAULT else field.default_factory()


@cache
def _parts(kind: type[Part]) -> Mapping[str, type[Part]]:
    """Return which fields hold parts, or lists of parts, and of which kind."""
    inner = {each.name: (each.type, *get_args(each.type)) for each in fields(kind)}
    return {
        name: each
        for name, types in inner.items()
        for each in types
        if isinstance(each, type) and issubclass(each, Part)
    }


def _said(value: Any, *, defaults: bool) -> Any:
    if isinstance(value, Part):
        return value.said(defaults=defaults)
    return [_said(each, defaults=defaults) for each in value] if isinstance(value, tuple) else value


def _decoded(kind: type[Part], data: bytes) -> Any:
    """Return what the JSON describes: at once, or on the long way when it has fields that its kind does not know."""
    try:
        return _decoder(kind).decode(data)
    except ValidationError:
        found = json.decode(data)
        return _kept(convert(_known(kind, found), kind), found)


def _known(kind: type[Part], data: Any) -> Any:
    """Return `data` without the fields that the kind, and the kinds of its parts, do not know."""
    if isinstance(data, list):
        return [_known(kind, each) for each in data]
    if not isinstance(data, dict):
        return data
    parts = _parts(kind)
    return {
        name: _known(parts[name], value) if name in parts else value
        for name, value in data.items()
        if name in _stored(kind)
    }


def _kept(value: Any, data: Any) -> Any:
    """Return the value with what `data` says besides."""
    if isinstance(value, tuple):
        return tuple(_kept(*each) for each in zip(value, data, strict=True))
    if not isinstance(value, Part):
        return value
    known = _stored(type(value))
    parts = {name: _kept(getattr(value, name), data[name]) for name in _parts(type(value)) if name in data}
    beyond = {name: each for name, each in data.items() if name not in known and name not in OWN - {"unknown"}}
    return value.but(unknown=MappingProxyType(beyond), **parts)
