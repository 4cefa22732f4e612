"""Which flavor a label gets. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from nodepool_lite.model.errors import BadRequestError


@dataclass(frozen=True)
class Flavor:
    """A size of servers; RAM in MiB, disk in GiB."""

    id: str
    name: str
    cores: int
    ram: int
    disk: int
    disabled: bool = False

    @classmethod
    def of(cls, item: dict[str, Any]) -> Self:
        """Return a flavor as Nova's API lists it (`GET /flavors/detail`)."""
        disabled = bool(item.get("OS-FLV-DISABLED:disabled", False))
        return cls(item["id"], item["name"], int(item["vcpus"]), int(item["ram"]), int(item["disk"]), disabled)


def choose(flavors: Iterable[Flavor], name: str, min_ram: int | None) -> Flavor:
    """Return the flavor that a label means.

    A name alone is a flavor's name or id. With `min_ram` (MiB) it is the smallest flavor that has as much, of those
    whose name has `name` in it; the smallest has the least RAM, then the fewest cores, then the least disk.

    Raises:
        BadRequestError: there is none; the message says which there are.
    """
    usable = [each for each in flavors if not each.disabled]
    known = ", ".join(f"{each.name} ({each.ram} MiB)" for each in sorted(usable, key=_size)) or "none"
    if min_ram is None:
        found = [each for each in usable if name and name in {each.name, each.id}]
        wanted = f"flavor `{name}`" if name else "flavor chosen (give the label `flavor-name` or `min-ram`)"
    else:
        found = sorted((each for each in usable if each.ram >= min_ram and name in each.name), key=_size)
        wanted = f"flavor with {min_ram} MiB" + (f" and `{name}` in its name" if name else "")
    if not found:
        raise BadRequestError(f"there is no {wanted}; there are: {known}")
    return found[0]


def _size(flavor: Flavor) -> tuple[int, int, int, str]:
    return flavor.ram, flavor.cores, flavor.disk, flavor.name
