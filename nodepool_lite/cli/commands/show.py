"""`nodepool-lite show`: the whole life of one thing."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import click
from msgspec import to_builtins

from nodepool_lite.cli import complete, layout
from nodepool_lite.cli.app import App
from nodepool_lite.cli.failures import note
from nodepool_lite.cli.formats import to_json, to_yaml
from nodepool_lite.cli.lazy import Exemplary
from nodepool_lite.cli.options import format_option
from nodepool_lite.cli.times import local, short
from nodepool_lite.model.errors import NoSuchThingError
from nodepool_lite.model.image import Build, Upload
from nodepool_lite.model.lease import Lease
from nodepool_lite.model.node import Node
from nodepool_lite.store.base import Snapshot

KINDS = (Node, Lease, Build, Upload)
Thing = Node | Lease | Build | Upload
TIMES = frozenset(
    {"created", "expires", "wait_until", "hold_until", "asked", "phase_since", "certified_until", "started", "finished"}
)
SPANS = frozenset({"lifetime"})
APART = frozenset({"id", "version", "order", "schema_version", "state", "state_since", "history"})


@click.command(
    "show",
    cls=Exemplary,
    short_help="All about one node, lease, build or image, and its history.",
    examples={
        "nodepool-lite show 42": "node 0000000042, from the wish to make it until now",
        "nodepool-lite show debian-12-0000000001 -f json": "a build, for a program",
    },
)
@click.argument("name", metavar="NODE|LEASE|BUILD|IMAGE", shell_complete=complete.recorded(*KINDS))
@format_option("table", "json", "yaml")
@click.pass_obj
def command(app: App, name: str, *, output_format: str) -> None:
    """Print everything that is recorded of one thing, with the times and reasons of every step it took."""
    with app.store() as store:
        records = store.read(*KINDS)
    thing = _find(records, name)
    machines = _machines(records, thing)
    if output_format == "table":
        facts = [*_set_facts(machines), *_facts(_attributes(app, thing))]
        click.echo("".join(f"{line}\n" for line in _lines(thing, facts, app.clock.now())), nl=False)
        return
    data = {"kind": type(thing).__name__.lower(), "id": thing.id, **to_builtins(thing.said(defaults=True))}
    if isinstance(thing, Node):
        data["attributes"] = dict(_attributes(app, thing))
    if machines:
        data["machines"] = [
            {
                "id": each.id,
                "set": each.set_id,
                "label": each.made_as,
                "role": each.role,
                "state": each.state.value,
            }
            for each in machines
        ]
    click.echo(to_json(data) if output_format == "json" else to_yaml(data), nl=False)


def _find(records: Snapshot, name: str) -> Thing:
    from nodepool_lite.service.names import (  # noqa: PLC0415 - completion
        image_named,
        must_be_readable,
        node_by_id,
        node_named,
    )

    found = (
        records.leases.get(name)
        or node_by_id(records.nodes, name)
        or image_named(records.builds, name)
        or image_named(records.uploads, name)
    )
    node = node_named(records.nodes, name)
    if found is not None and node is not None and node is not found:
        note(f"node {node.id} is called {name}, too: `nodepool-lite show {node.id}`")
    if found is None and node is None:
        must_be_readable(records, name)
        raise NoSuchThingError(
            f"there is no node, lease, build or image {name}; see `list`, `leases`, `dib-image-list`"
        )
    return found or cast("Node", node)


def _attributes(app: App, thing: Thing) -> Mapping[str, str]:
    """Return what the configuration says about the nodes of the same pool."""
    provider = app.config.provider(thing.provider) if isinstance(thing, Node) else None
    pools = () if provider is None else provider.pools
    return next((each.node_attributes for each in pools if isinstance(thing, Node) and each.name == thing.pool), {})


def _machines(records: Snapshot, thing: Thing) -> list[Node]:
    """Return all machines of a lease, or of the set that a node belongs to; none where there is nothing to tell."""
    if isinstance(thing, Lease):
        found = [records.nodes[each] for each in thing.nodes if each in records.nodes]
        return found if len(found) > 1 else []
    if not isinstance(thing, Node) or not (thing.primary or thing.subnodes):
        return []
    from nodepool_lite.service.leases import set_of  # noqa: PLC0415 - completion does without

    return set_of(records.nodes, thing)


def _lines(thing: Thing, facts: list[list[str]], now: float) -> Iterator[str]:
    kind = "image" if isinstance(thing, Upload) else type(thing).__name__.lower()
    name = thing.name if isinstance(thing, Build | Upload) else thing.id
    state = f"{thing.state} for {short(now - thing.state_since)} (since {local(thing.state_since)})"
    yield from layout.aligned([[kind, name], ["state", state], *_fields(thing, now), *facts])
    yield ""
    yield layout.heading("history")
    yield from layout.aligned(list(_history(thing)))


def _set_facts(machines: list[Node]) -> Iterator[list[str]]:
    for each in machines:
        yield [f"machine {each.id}", f"{each.made_as}, {each.role}, {each.state}"]


def _facts(attributes: Mapping[str, str]) -> Iterator[list[str]]:
    for key, value in attributes.items():
        yield [f"attribute {key}", layout.one_line(value)]


def _fields(thing: Thing, now: float) -> Iterator[list[str]]:
    for name in thing.stored_fields():
        value = getattr(thing, name)
        if name in APART or value in (None, "", (), {}):
            continue
        for key, text in _said(name.replace("_", "-"), name, value, now):
            yield [key, layout.one_line(text)]


def _said(key: str, name: str, value: Any, now: float) -> Iterator[tuple[str, str]]:
    """Yield the line, or the lines, that tell a field."""
    if name in TIMES:
        yield key, f"{local(value)} ({_distance(value, now)})"
    elif name in SPANS:
        yield key, short(value)
    elif name == "files":
        for file in value:
            yield "file", f"{file.path} ({file.size / 2**20:.0f} MiB, {file.format}, sha256 {file.sha256})"
    elif name == "script":
        for part in value.stored_fields():
            if getattr(value, part) not in (None, ""):
                yield from _said(f"script-{part}".replace("_", "-"), part, getattr(value, part), now)
    elif isinstance(value, dict):
        for each, text in value.items():
            yield f"{key} {each}", str(text)
    else:
        yield key, ", ".join(value) if isinstance(value, tuple) else str(value)


def _distance(moment: float, now: float) -> str:
    return f"{short(now - moment)} ago" if moment <= now else f"in {short(moment - now)}"


def _history(thing: Thing) -> Iterator[list[str]]:
    before = thing.history[0].time if thing.history else 0.0
    for event in thing.history:
        yield [local(event.time), f"+{event.time - before:.1f}s", event.state, layout.one_line(event.reason)]
        before = event.time
