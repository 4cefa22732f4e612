"""Values as the key of a cache: by identity, because whatever changes in a view is a new value."""

from dataclasses import dataclass


@dataclass(frozen=True, eq=False)
class Same:
    """Equal only to another key of the very same values, which it keeps alive."""

    values: tuple[object, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and all(map(_is, self.values, other.values))

    def __hash__(self) -> int:
        return hash(tuple(map(id, self.values)))


def _is(one: object, other: object) -> bool:
    return one is other
