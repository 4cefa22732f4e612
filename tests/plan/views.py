"""What a planner looks at, made for a test: all is led, each label's image serves, each node has its server."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from nodepool_lite.clouds.driver import Server, ServerState
from nodepool_lite.config.settings import Config
from nodepool_lite.model.node import Node
from nodepool_lite.model.pool import Backoff, Leader
from nodepool_lite.model.record import Record
from nodepool_lite.plan.actions import Action
from nodepool_lite.plan.generation import sources
from nodepool_lite.plan.plan import plan
from nodepool_lite.plan.view import CloudView, View
from nodepool_lite.store.base import PATHS, Snapshot
from nodepool_lite.testing import NOW, make_build, make_config, make_upload

A = TypeVar("A", bound=Action)
HOST = "builder-1"
LATER = NOW + 10.0
"""A moment shortly after the one in which built records entered their state."""


def make_view(
    *records: Record,
    config: Config | None = None,
    clouds: Mapping[str, CloudView] | None = None,
    leads: Iterable[str] | None = None,
    images: bool = True,
    **fields: Any,
) -> View:
    """Return a view of `records`; a node without a generation gets the present one of its source.

    With `images`, each diskimage has a ready build, and each provider a ready upload of it.
    """
    config = config or make_config()
    led = frozenset(leads if leads is not None else _everything(config))
    known = [*(_images(config) if images else ()), *(Leader(id=each, holder="me") for each in led), *records]
    values: dict[str, Any] = {
        "me": "me",
        "host": HOST,
        "leads": led,
        "recipes": {image.name: "recipe-1" for image in config.diskimages},
        "image_formats": {provider.name: ("qcow2",) for provider in config.providers},
    }
    bare = View(records=_snapshot(known), config=config, **(values | fields))
    present = {(way.label.name, way.provider.name, way.pool.name): way.generation for way in sources(bare)}
    known = [_with_generation(each, present) for each in known]
    view = View(records=_snapshot(known), config=config, **(values | fields))
    seen = clouds if clouds is not None else _clouds(view)
    return View(records=view.records, config=config, clouds=seen, **(values | fields))


def planned(view: View, kind: type[A], now: float = LATER, *, due: bool = True) -> list[A]:
    """Return what the whole plan says of one kind: what is due, or else what is planned for later."""
    found = [action for action in plan(view, now) if type(action) is kind]
    return [action for action in found if (action.at <= now) == due]


def see(
    *nodes: Node, state: ServerState = ServerState.ACTIVE, listed_at: float = NOW + 5.0, **fields: Any
) -> CloudView:
    """Return a cloud that listed a server in `state` for each of the nodes."""
    servers = {server.id: server for server in (make_server(node, state=state) for node in nodes)}
    return CloudView(servers=servers, listed_at=listed_at, images_listed_at=NOW, **fields)


def make_server(node: Node, *, state: ServerState = ServerState.ACTIVE, **fields: Any) -> Server:
    """Return the server that was made for the node's present attempt."""
    values: dict[str, Any] = {
        "id": node.server_id or f"server-{node.id}",
        "node_id": node.id,
        "attempt": node.attempt,
        "name": node.hostname,
        "state": state,
        "address": "192.0.2.1",
    }
    return Server(**(values | fields))


def make_backoff(name: str, *, wait: float = 600.0, next_try: float = NOW + 600.0, fingerprint: str = "") -> Backoff:
    """Return a back-off that began `wait` seconds before its end."""
    last = next_try - wait
    return Backoff(
        id=name, failures=5, error="no luck", since=last, last=last, next_try=next_try, fingerprint=fingerprint
    )


def _everything(config: Config) -> set[str]:
    return {"planner", "builder", *(f"provider/{provider.name}" for provider in config.providers)}


def _images(config: Config) -> Iterable[Record]:
    for image in config.diskimages:
        yield make_build(1, diskimage=image.name)
        for provider in config.providers:
            yield make_upload(1, diskimage=image.name, provider=provider.name)


def _with_generation(record: Record, present: Mapping[tuple[str, str, str], str]) -> Record:
    if isinstance(record, Node) and not record.generation:
        return record.but(generation=present.get((record.label, record.provider, record.pool), ""))
    return record


def _snapshot(records: Iterable[Record]) -> Snapshot:
    kinds: dict[str, dict[str, Record]] = {path: {} for path in PATHS.values()}
    for record in records:
        kinds[PATHS[type(record)]][record.id] = record
    return Snapshot(**{path: MappingProxyType(found) for path, found in kinds.items()})  # type: ignore[arg-type]


def _clouds(view: View) -> dict[str, CloudView]:
    return {
        provider.name: see(*(node for node in view.nodes_at(provider.name) if node.server_id is not None))
        for provider in view.config.providers
    }
