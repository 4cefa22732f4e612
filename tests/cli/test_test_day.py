"""One node of each label, as on a test day."""

from nodepool_lite.model.lease import LeaseState
from nodepool_lite.testing import make_node, numbered

from .conftest import Desk


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
