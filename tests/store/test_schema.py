"""Records of older and newer versions, and what is no record at all: read, kept, or refused with a reason."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec import NODEFAULT
from msgspec.structs import fields

from nodepool_lite.model.errors import StoreConflictError
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.model.record import Record
from nodepool_lite.store._codec import NewerRecordError, decode, encode, path_of
from nodepool_lite.store._tree import Znode, absorb, kind_and_id
from nodepool_lite.store._view import View
from nodepool_lite.store.base import PATHS, id_problem
from nodepool_lite.store.memory import MemoryServer
from nodepool_lite.testing import NOW, make_node

DATA = Path(__file__).parent / "data"
WRITTEN: Mapping[str, dict[str, Any]] = json.loads((DATA / "records-today.json").read_text())
"""Records of every kind with every field, as they are written today: goes with the code."""
FROZEN: Mapping[int, Mapping[str, dict[str, Any]]] = {
    schema: json.loads((DATA / f"records-schema-{schema}.json").read_text()) for schema in (1,)
}
"""Schema -> records of every kind as its release writes them: a new schema brings a new file, none is ever edited."""
OLDER = [(schema, path) for schema, written in FROZEN.items() for path in written]
OURS = ("id", "version", "order", "schema_version")
"""Names that no newer version may use for a field of its own: they are the store's, or never written."""
NAMES = st.text(min_size=1, max_size=12).filter(lambda name: name not in OURS)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
QUICK = settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read(path: str, data: dict[str, Any] | bytes) -> Record:
    """Return the record of that path, as a reader decodes it."""
    kind, record_id = kind_and_id(path)
    assert kind is not None
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return decode(kind, record_id, raw, 3, 7)


def places(data: Any) -> Iterator[dict[str, Any]]:
    """Yield every mapping with fields of ours within a record's data, itself included."""
    if isinstance(data, dict):
        yield data
    for part in ("history", "files", "script"):
        inner = data.get(part) or () if isinstance(data, dict) else ()
        yield from [inner] if isinstance(inner, dict) else inner


@pytest.mark.parametrize("path", WRITTEN)
def test_nothing_is_lost_when_a_record_is_read_and_written_again(path: str) -> None:
    """Every kind of record, with every field."""
    record = read(path, WRITTEN[path])
    assert json.loads(encode(record)) == WRITTEN[path]
    assert (record.version, record.order) == (3, 7)
    assert path_of(record) == path


def test_every_kind_and_every_field_is_in_what_is_written_today() -> None:
    """So that the tests here speak of all of them."""
    for kind, folder in PATHS.items():
        own = [data for path, data in WRITTEN.items() if path.startswith(f"{folder}/")]
        assert {name for data in own for name in data} == set(kind.stored_fields())


def test_every_schema_that_was_ever_written_is_kept() -> None:
    """With a record of every kind: whoever gives a kind a new schema adds what was written by then."""
    for kind, folder in PATHS.items():
        for schema in range(1, kind.SCHEMA + 1):
            own = [data for path, data in FROZEN[schema].items() if path.startswith(f"{folder}/")]
            assert schema in {data["schema_version"] for data in own}


@pytest.mark.parametrize(("schema", "path"), OLDER)
def test_what_an_older_version_wrote_is_read_for_ever(schema: int, path: str) -> None:
    """And all that it said is still said when this version writes it."""
    written = FROZEN[schema][path]
    after = json.loads(encode(read(path, written)))
    assert after == written | {"schema_version": after["schema_version"]}


@pytest.mark.parametrize(("schema", "path"), OLDER)
def test_a_reader_of_the_next_schema_reads_this_one(schema: int, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is neither garbage nor newer, and says the new schema once it is written again."""
    kind, record_id = kind_and_id(path)
    assert kind is not None
    monkeypatch.setattr(kind, "SCHEMA", schema + 1)
    view = View()
    absorb(view, path, Znode(json.dumps(FROZEN[schema][path]).encode(), 0, 1, 0))
    record = view.get(kind, record_id)
    assert record is not None
    assert (record.schema_version, view.snapshot().garbage) == (schema, {})
    assert json.loads(encode(record)) == FROZEN[schema][path] | {"schema_version": schema + 1}


@pytest.mark.parametrize("path", WRITTEN)
def test_a_record_of_the_next_schema_is_reported_and_left_alone(path: str) -> None:
    """Nobody sees it as a record, nothing takes its place, and the reason names both schemas."""
    kind, record_id = kind_and_id(path)
    assert kind is not None
    server = MemoryServer()
    server.spoil(path, json.dumps(WRITTEN[path] | {"schema_version": kind.SCHEMA + 1}).encode())
    store = server.connect()
    seen = store.snapshot()
    assert (seen.newer, seen.unreadable(kind)) == ({path}, {record_id})
    assert f"(schema {kind.SCHEMA + 1}, this one knows {kind.SCHEMA})" in seen.garbage[path]
    for write in (store.create, store.update, store.delete):
        with pytest.raises(StoreConflictError):
            write(read(path, WRITTEN[path]))
    assert store.snapshot().newer == {path}


@pytest.mark.parametrize("path", WRITTEN)
def test_fields_that_an_older_version_did_not_write_have_their_default(path: str) -> None:
    """Each field that may be missing, and all of them at once, and the schema too."""
    kind = type(read(path, WRITTEN[path]))
    defaults = {each.name: each.default for each in fields(kind) if each.default is not NODEFAULT}
    defaults |= {each.name: each.default_factory() for each in fields(kind) if each.default_factory is not NODEFAULT}
    optional = [name for name in defaults if name in WRITTEN[path]]
    for missing in (*([name] for name in optional), optional):
        record = read(path, {name: value for name, value in WRITTEN[path].items() if name not in missing})
        for name in set(missing) - {"schema_version"}:
            assert getattr(record, name) == defaults[name]


@QUICK
@given(st.sampled_from(sorted(WRITTEN)), st.data())
def test_an_older_reader_keeps_what_a_newer_writer_said(path: str, data: st.DataObject) -> None:
    """Fields that nobody knows, in the record and in its parts, are still there after it was changed and written."""
    written = json.loads(json.dumps(WRITTEN[path]))
    known = set(read(path, written).stored_fields())
    for place in places(written):
        extra = data.draw(st.dictionaries(NAMES.filter(lambda name: name not in known), JSON, max_size=3))
        place.update({name: value for name, value in extra.items() if name not in place})
    record = read(path, written)
    changed = record.noted(NOW, "seen by an older one") if isinstance(record, Node) else record.but()
    after = json.loads(encode(read(path, encode(changed))))
    if isinstance(record, Node):
        assert after["history"].pop() == {"time": NOW, "state": record.state, "reason": "seen by an older one"}
    assert after == written


@QUICK
@given(st.sampled_from(sorted(WRITTEN)), st.integers(2, 10**6), st.booleans())
def test_a_record_of_a_newer_schema_is_refused_as_such(path: str, schema: int, sound: bool) -> None:
    """Whether or not its fields would do: it may mean something else. The reason says what to do."""
    body = WRITTEN[path] if sound else {"state": ["of", "another", "shape"]}
    with pytest.raises(NewerRecordError, match=rf"schema {schema}, this one knows 1\): upgrade nodepool-lite"):
        read(path, {**body, "schema_version": schema})


@QUICK
@given(st.sampled_from(sorted(WRITTEN)), st.binary(max_size=60))
@example("nodes/0000000042", b"[" * 100_000)
@example("nodes/0000000042", b'{"schema_version": "newest"}')
@example("nodes/0000000042", b'\xff\xfe{"label": "x"}')
@example("nodes/0000000042", b'{"label": "\\ud800"}')
@example("nodes/0000000042", b"null")
def test_bytes_that_are_no_record_have_a_reason(path: str, data: bytes) -> None:
    """It is short, on one line, and fit for a terminal."""
    view = View()
    absorb(view, path, Znode(data or b" ", 0, 1, 0))
    (why,) = view.snapshot().garbage.values()
    assert 0 < len(why) <= 300
    assert why.isprintable()


@QUICK
@given(st.sampled_from(sorted(WRITTEN)), st.data())
def test_a_record_with_a_wrong_value_has_a_reason_or_is_harmless(path: str, data: st.DataObject) -> None:
    """Any value where another was expected gives a record that can be written again, or a reason; never another error.

    Numbers that are none, which JSON's writers let through, are wrong values too.
    """
    written = json.loads(json.dumps(WRITTEN[path]))
    place = data.draw(st.sampled_from(list(places(written))))
    name = data.draw(st.sampled_from(sorted(place)))
    place[name] = data.draw(JSON | st.sampled_from([float("nan"), float("inf"), 10**400, "\x1b[31m\n", "; reboot"]))
    try:
        record = read(path, written)
    except ValueError:
        return
    assert read(path, encode(record)) == record.but(schema_version=record.SCHEMA)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("nodes/0000000042/below", "this is no id of a node: 1 names between slashes were expected"),
        ("nodes/$(reboot)", "this is no id of a node: names of letters, digits"),
        ("nodes/-rf", "this is no id of a node: names of letters, digits"),
        ("nodes/two words", "this is no id of a node: names of letters, digits"),
        ("nodes/n\u00f6de", "this is no id of a node: names of letters, digits"),
        ("builds/debian-12", "this is no id of a build: 2 names between slashes were expected"),
        ("leaders/provider/local/x", "this is no id of a leader: 1 or 2 names between slashes were expected"),
    ],
)
def test_names_that_are_no_ids_are_no_records(path: str, why: str) -> None:
    """Whatever they hold: an id becomes a file name, a host name and a word of a shell."""
    kind = path.partition("/")[0]
    body = next(data for name, data in WRITTEN.items() if name.startswith(kind))
    view = View()
    absorb(view, path, Znode(json.dumps(body).encode(), 0, 1, 0))
    ((found, reason),) = view.snapshot().garbage.items()
    assert found == path
    assert reason.startswith(why)


@QUICK
@given(st.sampled_from(list(PATHS)), st.text(max_size=30))
def test_an_id_is_safe_or_refused(kind: type[Record], record_id: str) -> None:
    """No id has anything in it that means something to a shell, a path or a terminal."""
    if id_problem(kind, record_id):
        return
    assert all(char.isascii() and (char.isalnum() or char in "._@+-/") for char in record_id)
    assert not record_id.startswith(("/", "-", "."))
    assert "/." not in record_id


@pytest.mark.parametrize(("path", "folder"), [("builds/debian-12", True), ("nodes/0000000042", False)])
def test_an_empty_znode_is_a_folder_only_where_records_are_below(path: str, folder: bool) -> None:
    """Elsewhere it is a record that lost its content, and is reported."""
    view = View()
    absorb(view, path, Znode(b"", 0, 1, 0))
    assert view.snapshot().garbage == ({} if folder else {path: "it is empty"})


def test_a_newer_record_is_told_from_garbage() -> None:
    """Those of a newer version are known as such, until they are gone or ours again."""
    view = View()
    newer = json.dumps({**WRITTEN["nodes/0000000042"], "schema_version": 2}).encode()
    absorb(view, "nodes/0000000042", Znode(newer, 0, 1, 0))
    absorb(view, "nodes/0000000043", Znode(b"?", 0, 2, 0))
    seen = view.snapshot()
    assert (seen.newer, seen.unreadable(Node)) == ({"nodes/0000000042"}, {"0000000042", "0000000043"})
    absorb(view, "nodes/0000000042", Znode(encode(make_node(42, state=NodeState.READY)), 1, 1, 0))
    absorb(view, "nodes/0000000043", None)
    assert (view.snapshot().newer, view.snapshot().unreadable(Node)) == (set(), set())
