"""What the keys of each section hold, read once from the types of the settings."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, cast

from msgspec import NODEFAULT, Struct, inspect

from nodepool_lite.config.duration import positive, seconds
from nodepool_lite.config.section import Section, kebab
from nodepool_lite.config.settings import Config
from nodepool_lite.config.texts import READ, split


class Shape(Struct, frozen=True):
    """What a key of a section holds."""

    name: str
    """The name of its field."""
    bare: inspect.Type
    """Its type without that of no value, and without the marks of what reads and checks it."""
    whole: inspect.Type
    """Its type with all that."""
    default: Any
    """NODEFAULT where the key is required."""
    section: type[Section] | None
    """The section that it is, or is a list of."""
    reads: Any
    """The function that makes its value of what the file says, if there is one."""
    optional: bool
    """No value means the default."""

    @property
    def single(self) -> bool:
        """It is one section and no list."""
        return isinstance(self.bare, inspect.StructType)

    @property
    def collection(self) -> bool:
        """A list or mapping: an empty value means an empty one."""
        return isinstance(self.bare, inspect.VarTupleType | inspect.DictType)

    @property
    def free(self) -> bool:
        """A mapping of values of any type, read as YAML reads them."""
        return isinstance(self.bare, inspect.DictType) and isinstance(self.bare.value_type, inspect.AnyType)

    @property
    def duration(self) -> bool:
        """Seconds, or a text such as `15m`."""
        return self.reads in {seconds, positive}

    @property
    def directories(self) -> bool:
        """A list of directories, or one text with colons between them."""
        return self.reads is split


@cache
def shapes(section: type[Section]) -> Mapping[str, Shape]:
    """Return the keys of a section as they are written, and what each holds."""
    info = _of_the_file().get(section) or cast("inspect.StructType", inspect.type_info(section))
    return {kebab(each.name): _shape(each) for each in info.fields}


def default_of(section: type[Section], shape: Shape) -> Any:
    """Return what a setting is that nobody gives: one of the top level may have it from another setting."""
    return getattr(Config(), shape.name) if section is Config else shape.default


def sections() -> tuple[type[Section], ...]:
    """Return every section there is, each before those that it holds."""
    return tuple(_of_the_file())


@cache
def _of_the_file() -> Mapping[type, inspect.StructType]:
    """Return the types of all sections: finding them out takes long enough to be done once for all."""
    return {each.cls: each for each in _structs(inspect.type_info(Config))}


def _structs(info: inspect.Type) -> Iterator[inspect.StructType]:
    bare = unmarked(info)[0]
    if isinstance(bare, inspect.VarTupleType):
        yield from _structs(bare.item_type)
    elif isinstance(bare, inspect.StructType):
        yield bare
        for each in bare.fields:
            yield from _structs(each.type)


def unmarked(info: inspect.Type) -> tuple[inspect.Type, dict[str, Any], bool]:
    """Return a type without its marks and without that of no value, the marks, and whether no value will do."""
    optional = False
    if isinstance(info, inspect.UnionType):
        optional = info.includes_none
        info = next(each for each in info.types if not isinstance(each, inspect.NoneType))
    if isinstance(info, inspect.Metadata):
        return info.type, info.extra or {}, optional
    return info, {}, optional


def _shape(field: inspect.Field) -> Shape:
    bare, marks, optional = unmarked(field.type)
    inner = bare.item_type if isinstance(bare, inspect.VarTupleType) else bare
    section = cast("type[Section]", inner.cls) if isinstance(inner, inspect.StructType) else None
    return Shape(
        name=field.name,
        bare=bare,
        whole=field.type,
        default=field.default if field.default_factory is NODEFAULT else field.default_factory(),
        section=section,
        reads=marks.get(READ),
        optional=optional,
    )
