"""Labels with a `nodeset`: what may stand there, and what is said of what may not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nodepool_lite.config.load import load
from nodepool_lite.config.show import show

Write = Callable[[str], Path]
Told = Callable[..., list[str]]
SETS = """\
diskimages:
  - {name: debian-12, elements: [debian-minimal, vm]}
labels:
  - name: controller
  - name: compute
  - name: ha-set
    nodeset: [{label: controller, count: 3}, {label: compute}]
  - name: pair
    subnodes: 1
providers:
  - name: local
    driver: qemu
    pools:
      - max-servers: 8
        max-cores: 20
        max-ram: 9000
        labels:
          - {name: controller, diskimage: debian-12, cores: 4, min-ram: 2048}
          - {name: compute, diskimage: debian-12, cores: 2, min-ram: 1024}
          - {name: pair, diskimage: debian-12}
          - {name: ha-set}
"""
NODESET = "[{label: controller, count: 3}, {label: compute}]"


def test_a_set_lists_labels_and_how_many_of_each(write: Write) -> None:
    """The first machine is the primary; a count that is not said is 1."""
    config = load(write(SETS), {}).config
    assert config is not None
    label = config.label("ha-set")
    assert label is not None
    assert label.members == ("controller", "controller", "controller", "compute")
    assert label.size == 4
    assert [each.name for each in config.providers[0].pools[0].machines(label)] == list(label.members)


def test_what_is_shown_of_a_set_loads_again(write: Write) -> None:
    """Without the keys that may not be there."""
    config = load(write(SETS), {}).config
    assert config is not None
    again = load(write(show(config)), {})
    assert again.config == config, again.problems


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "{label: controller,",
            "{label: controler,",
            "7:23: unknown label `controler` in the nodeset of `ha-set`; did you mean `controller`?",
        ),
        (
            "{label: compute}",
            "{label: pair}",
            "7:54: the label `pair` in the nodeset of `ha-set` is a set of machines itself; a node set is made of",
        ),
        (
            "{label: compute}",
            "{label: ha-set}",
            "7:54: the label `ha-set` in the nodeset of `ha-set` is a set of machines itself",
        ),
        ("count: 3", "count: 0", "7:42: `count`: expected at least 1, not `0`"),
        ("{label: compute}", "{count: 2}", "7:46: the key `label` is missing here"),
        (NODESET, "[]", "7:5: the nodeset of `ha-set` is empty; list labels, each with a `count`, or leave the key"),
        (NODESET, "", "7:5: the nodeset of `ha-set` is empty"),
        (
            "    nodeset:",
            "    subnodes: 2\n    nodeset:",
            "7:5: the label `ha-set` has `subnodes` and `nodeset`; leave one of them out",
        ),
        (
            "          - {name: compute, diskimage: debian-12, cores: 2, min-ram: 1024}\n",
            "",
            "20:20: this pool offers `ha-set`, and not `compute`; add each to the `labels` of the same pool",
        ),
        (
            "{name: ha-set}",
            "{name: ha-set, diskimage: debian-12}",
            "21:28: `diskimage` means nothing for the node set `ha-set`; leave it out: each machine is made as",
        ),
        ("{name: ha-set}", "{name: ha-set, min-ram: 512}", "21:28: `min-ram` means nothing for the node set `ha-set`"),
        (
            "max-servers: 8",
            "max-servers: 3",
            "14:22: a set of `ha-set` needs 4 servers, and `max-servers` of this pool is 3; raise",
        ),
        (
            "max-cores: 20",
            "max-cores: 13",
            "15:20: a set of `ha-set` needs 14 cores, and `max-cores` of this pool is 13",
        ),
        ("count: 3", "count: 1001", "7:42: `count`: expected at most 1000, not `1001`"),
        ("count: 3", "count: 1000", "7:5: a set of `ha-set` has 1001 machines, more than 1000; lower the counts"),
        ("count: 3", f"count: {'9' * 4400}", "7:42: `count`: expected a smaller whole number"),
        ("count: 3", 'count: "-+3"', "7:42: `count`: expected a whole number, not `-+3`"),
        ("subnodes: 1", "subnodes: 1001", "9:15: `subnodes`: expected at most 1000"),
        ("subnodes: 1", "subnodes: 8", "14:22: a set of `pair` needs 9 servers, and `max-servers` of this pool is 8"),
        (
            "max-servers: 8",
            "max-cores: 1",
            "14:20: a set of `pair` needs 2 cores, and `max-cores` of this pool is 1",
        ),
        ("max-ram: 9000", "max-ram: 7000", "16:18: a set of `ha-set` needs 7168 MiB of RAM, and `max-ram` of this"),
    ],
)
def test_what_cannot_be_made_is_refused_at_its_place(told: Told, old: str, new: str, message: str) -> None:
    """With what to do about it."""
    assert told(SETS) == []
    assert old in SETS
    assert any(line.startswith(message) for line in told(SETS.replace(old, new, 1))), told(SETS.replace(old, new, 1))


def test_a_label_of_a_set_that_no_pool_makes_is_told(told: Told) -> None:
    """As any other label."""
    text = SETS.replace("          - {name: ha-set}\n", "")
    assert any("no provider makes the label `ha-set`" in line for line in told(text))


def test_more_sets_ready_than_there_is_room_for_are_a_warning(told: Told) -> None:
    """Each counts with all its machines."""
    (line,) = told(SETS.replace("    nodeset:", "    min-ready: 3\n    nodeset:"))
    assert "warning: 12 servers are to be kept ready, and the pools of this label allow 8" in line
