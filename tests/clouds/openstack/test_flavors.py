"""Which flavor a label gets."""

import pytest

from nodepool_lite.clouds.openstack.flavors import Flavor, choose
from nodepool_lite.model.errors import BadRequestError

FLAVORS = [
    Flavor("1", "m1.large", 4, 8192, 80),
    Flavor("2", "m1.small", 1, 2048, 20),
    Flavor("3", "g1.small", 1, 2048, 40),
    Flavor("4", "m1.medium", 2, 4096, 40),
    Flavor("5", "m1.tiny", 1, 512, 1),
    Flavor("6", "m1.off", 1, 2048, 1, disabled=True),
]


@pytest.mark.parametrize(
    ("name", "min_ram", "expected"),
    [
        ("m1.medium", None, "m1.medium"),
        ("4", None, "m1.medium"),
        ("", 513, "m1.small"),
        ("", 512, "m1.tiny"),
        ("g1", 600, "g1.small"),
        ("m1", 3000, "m1.medium"),
    ],
)
def test_a_name_is_taken_as_it_is_and_ram_chooses_the_smallest(name: str, min_ram: int | None, expected: str) -> None:
    """Least RAM first, then fewest cores, then least disk; a name beside `min-ram` is a part of the flavor's name."""
    assert choose(FLAVORS, name, min_ram).name == expected


@pytest.mark.parametrize(
    ("name", "min_ram", "said"),
    [
        ("m1.huge", None, "no flavor `m1.huge`; there are: m1.tiny (512 MiB)"),
        ("m1.off", None, "no flavor `m1.off`"),
        ("", 9000, "no flavor with 9000 MiB; there are"),
        ("g1", 3000, "no flavor with 3000 MiB and `g1` in its name"),
        ("", None, "give the label `flavor-name` or `min-ram`"),
    ],
)
def test_what_there_is_not_is_told_with_what_there_is(name: str, min_ram: int | None, said: str) -> None:
    """A disabled flavor is none."""
    with pytest.raises(BadRequestError) as caught:
        choose(FLAVORS, name, min_ram)
    assert said in str(caught.value)


def test_a_cloud_without_flavors_says_so() -> None:
    """The list of those that there are is not left empty."""
    with pytest.raises(BadRequestError, match="there are: none"):
        choose([], "", 1)
