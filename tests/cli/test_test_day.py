"""One node of each label, as on a test day."""

from pathlib import Path

from nodepool_lite.access.keys import new_host_key
from nodepool_lite.model.lease import LeaseState
from nodepool_lite.testing import make_node, numbered

from .conftest import Desk, write_config


def test_one_of_each_is_taken_and_told_with_the_way_in(desk: Desk) -> None:
    """Of every label, without any named; each by a lease of its own."""
    desk.store.create(make_node(1))
    desk.store.create(make_node(2, label="rdo"))
    rows = {row["Label"]: row for row in desk.json("test-day", "--lifetime", "8h")}
    assert set(rows) == {"debian-12", "rdo"}
    leases = {lease.label: lease for lease in desk.store.snapshot().leases.values()}
    for label, row in rows.items():
        assert row["Lease"] == leases[label].id
        assert row["Log-in"] == f"nodepool-lite ssh {row['Lease']}"
        assert (leases[label].reason, leases[label].lifetime) == ("test day", 8 * 3600)
    assert rows["rdo"]["Node"] == numbered(2)
    assert rows["rdo"]["SSH"] == "ssh -p 22002 jenkins@127.0.0.1"


def test_the_machines_of_a_node_set_are_taken_with_their_set_alone(tmp_path: Path) -> None:
    """Nobody asks for a controller by itself; the line leads to the set's primary."""
    config = write_config(tmp_path)
    labels = "labels:\n  - {name: ha, nodeset: [{label: rdo}, {label: node}]}\n  - name: node\n"
    places = "          - {name: node, diskimage: debian-12}\n          - {name: ha}\n"
    config.write_text(config.read_text().replace("labels:\n", labels, 1) + places)
    desk = Desk(config)
    desk.store.create(make_node(1))
    desk.store.create(make_node(2, label="ha", member="rdo", set_size=2))
    desk.store.create(make_node(3, label="ha", member="node", primary=numbered(2)))
    rows = {row["Label"]: row for row in desk.json("test-day")}
    assert set(rows) == {"debian-12", "ha"}
    assert rows["ha"]["Node"] == numbered(2)


def test_a_key_of_ones_own_opens_each(desk: Desk, tmp_path: Path) -> None:
    """Every lease is for it; a file that is not there takes nothing."""
    key = tmp_path / "id.pub"
    key.write_text(f"{new_host_key().public} carol@lab\n")
    for number, label in enumerate(("debian-12", "rdo"), start=1):
        desk.store.create(make_node(number, label=label))
    assert desk.run("test-day", "--public-key", str(tmp_path / "none.pub")).exit_code == 1
    assert not desk.store.snapshot().leases
    desk.out("test-day", "--public-key", str(key))
    keys = {lease.label: lease.public_key for lease in desk.store.snapshot().leases.values()}
    assert keys == dict.fromkeys(("debian-12", "rdo"), " ".join(key.read_text().split()[:2]))


def test_a_table_is_what_people_get(desk: Desk) -> None:
    """A line for each label."""
    desk.store.create(make_node(1))
    shown = desk.out("test-day", "debian-12").splitlines()
    assert shown[0].split()[:2] == ["Label", "Lease"]
    assert shown[1].startswith("debian-12")
    assert "nodepool-lite ssh" in shown[1]


def test_what_does_not_come_in_time_is_told_and_the_rest_is_taken(desk: Desk) -> None:
    """In its line, with exit status 4."""
    desk.store.create(make_node(1))
    result = desk.run("test-day", "rdo", "debian-12", "--wait", "0s", "-f", "csv")
    assert result.exit_code == 4
    rdo, debian = result.stdout.splitlines()[1:]
    assert rdo.startswith("rdo,,,,,")
    assert "no node became free" in rdo
    assert debian.startswith("debian-12,")
    states = {lease.label: lease.state for lease in desk.store.snapshot().leases.values()}
    assert states == {"rdo": LeaseState.ENDED, "debian-12": LeaseState.ACTIVE}


def test_an_unknown_label_asks_for_nothing(desk: Desk) -> None:
    """Not even for those that exist."""
    desk.store.create(make_node(1))
    assert desk.run("test-day", "debian-12", "rod").exit_code == 3
    assert not desk.store.snapshot().leases
