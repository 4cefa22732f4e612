"""Completion of names in the shell: quick, and silent when the pool cannot be asked."""

from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from nodepool_lite.cli.app import App
from nodepool_lite.config.settings import Config
from nodepool_lite.model.errors import NodepoolError
from nodepool_lite.model.image import Build, Upload
from nodepool_lite.model.lease import Lease, LeaseState
from nodepool_lite.model.node import Node
from nodepool_lite.model.record import Record
from nodepool_lite.store.base import Snapshot

Names = Iterable[tuple[str, str]]
Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def configured(names: Callable[[Config], Iterable[str]]) -> Completer:
    """Return a completer of names in the configuration."""
    return _completer(lambda app: ((name, "") for name in names(app.config)))


def recorded(*kinds: type[Record]) -> Completer:
    """Return a completer of records of these kinds, with a word about each."""
    return _completer(lambda app: _recorded(app, kinds))


def anything(names: Callable[[Config], Iterable[str]], *kinds: type[Record]) -> Completer:
    """Return a completer of both."""

    def both(app: App) -> Names:
        yield from ((name, "") for name in names(app.config))
        yield from _recorded(app, kinds)

    return _completer(both)


def labels(config: Config) -> Iterable[str]:
    """Return the names of all labels."""
    return (label.name for label in config.labels)


def diskimages(config: Config) -> Iterable[str]:
    """Return the names of all diskimages that can be built."""
    return (each.name for each in config.diskimages if not each.abstract)


def providers(config: Config) -> Iterable[str]:
    """Return the names of all providers."""
    return (provider.name for provider in config.providers)


def _completer(names: Callable[[App], Names]) -> Completer:
    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        option: Path | None = ctx.find_root().params.get("config_option")
        app = ctx.obj if isinstance(ctx.obj, App) else App(option, quiet=True)
        try:
            return [CompletionItem(name, help=word) for name, word in names(app) if name.startswith(incomplete)]
        except NodepoolError:
            return []

    return complete


def _recorded(app: App, kinds: tuple[type[Record], ...]) -> Names:
    with app.store() as store:
        records = store.read(*kinds)
    yield from _leases(records)
    for node in records.nodes.values():
        yield node.id, f"{node.label} {node.state}"
    for build in records.builds.values():
        yield build.name, build.state
    for upload in records.uploads.values():
        yield upload.name, upload.state


def _leases(records: Snapshot) -> Names:
    for lease in records.leases.values():
        if lease.state is not LeaseState.ENDED:
            yield lease.id, f"{lease.label} {lease.state} {lease.owner}"


nodes = recorded(Node)
leases = recorded(Lease)
builds = recorded(Build)
uploads = recorded(Upload)
label_names = configured(labels)
diskimage_names = configured(diskimages)
provider_names = configured(providers)
