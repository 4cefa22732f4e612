"""Values that never change: what records, settings and a driver's words are made of."""

from typing import Any, Self, dataclass_transform

from msgspec import Struct, StructMeta, field
from msgspec.structs import replace


class _Kind(StructMeta):
    """Makes every class of values frozen and made by keywords, without each having to say so."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> "_Kind":
        return super().__new__(cls, name, bases, namespace, **{"frozen": True, "kw_only": True, **options})


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Frozen(Struct, metaclass=_Kind, frozen=True, forbid_unknown_fields=True):
    """An immutable value; a change is a new value. What is read from JSON is checked, what our own code says is not."""

    def but(self, **changes: object) -> Self:
        """Return a copy with `changes`."""
        return replace(self, **changes)
