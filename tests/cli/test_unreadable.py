"""Records that cannot be read, as a user meets them: named where one looks, in the way of nothing else."""

import pytest

from nodepool_lite.testing import make_lease, make_node

from .conftest import Desk, RealPool

WHY = "Object missing required field `label`"
MEND = "what it speaks of is left alone until you mend the record, or remove it with ZooKeeper's own tools"


@pytest.fixture
def spoiled(desk: Desk) -> Desk:
    """Give a pool with a good node, and a spoiled record of each kind that users name."""
    desk.store.create(make_node(1))
    desk.store.create(make_lease("abcd2345"))
    for path in ("nodes/0000000042", "leases/mnpq2345", "builds/debian-12/0000000007"):
        desk.server.spoil(path, b"{}")
    desk.server.spoil("nodes/0000000043", b'{"schema_version": 9}')
    desk.server.spoil("nodes/\x1b[31m red", b"?")
    return desk


def spoil(pool: RealPool, path: str, data: bytes) -> None:
    """Put something there with another tool."""
    feed = pool.store._feed
    feed.link._client.create(f"{feed.root.path}/{path}", data, makepath=True)


def test_status_names_each_with_its_reason_and_what_to_do(spoiled: Desk) -> None:
    """In lines that do a terminal no harm."""
    lines = [line for line in spoiled.out("status").splitlines() if line.startswith("unreadable record ")]
    assert lines[0].startswith(
        "unreadable record builds/debian-12/0000000007: Object missing required field `diskimage`"
    )
    assert f"unreadable record nodes/0000000042: {WHY}" in lines[3]
    assert all(MEND in line or "until then" in line for line in lines)
    (newer,) = [line for line in lines if "0000000043" in line]
    assert "a newer nodepool-lite wrote it (schema 9, this one knows 1): upgrade nodepool-lite on this host" in newer
    assert len(lines) == 5
    assert "\x1b" not in "".join(lines)
    assert len(spoiled.json("status")["unreadable"]) == 5


@pytest.mark.zookeeper
def test_the_doctor_calls_them_a_finding(real_pool: RealPool) -> None:
    """The pool does not work as it should while they are there."""
    spoil(real_pool, "nodes/0000000042", b"{}")
    done = real_pool.run("doctor")
    assert done.returncode == 1
    assert f"missing records       the record nodes/0000000042 cannot be read: {WHY}" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("delete", "42"),
        ("hold", "0000000042", "--reason", "x"),
        ("unhold", "42"),
        ("show", "42"),
        ("ssh", "42"),
        ("release", "42"),
        ("release", "mnpq2345"),
        ("extend", "mnpq2345", "1h"),
        ("show", "debian-12-0000000007"),
        ("dib-image-delete", "debian-12-0000000007"),
    ],
)
def test_whoever_names_one_is_told_that_it_is_there(spoiled: Desk, arguments: tuple[str, ...]) -> None:
    """It is no "no such thing": something is there, and nobody knows what."""
    result = spoiled.run(*arguments)
    assert result.exit_code == 1
    assert "cannot be read: " in result.stderr
    assert MEND in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_lists_go_on_without_them(spoiled: Desk) -> None:
    """What is readable is listed."""
    assert [row["ID"] for row in spoiled.json("list")] == ["0000000001"]
    assert "abcd2345" in spoiled.out("leases")


@pytest.mark.zookeeper
def test_a_command_does_not_log(real_pool: RealPool) -> None:
    """What a list prints on stderr is for people, and the record is named by `status` and `doctor`."""
    real_pool.store.create(make_node(1))
    spoil(real_pool, "nodes/0000000002", b"?")
    done = real_pool.run("list")
    assert (done.returncode, done.stderr) == (0, "")
    assert "unreadable record nodes/0000000002" in real_pool.run("status").stdout
