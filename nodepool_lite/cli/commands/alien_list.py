"""`nodepool-lite alien-list`: servers that carry our mark and that no record knows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click

from nodepool_lite.cli.app import App
from nodepool_lite.cli.failures import note
from nodepool_lite.cli.lazy import Exemplary
from nodepool_lite.cli.listing import FORMATS, Column, Shape, render
from nodepool_lite.cli.options import format_option
from nodepool_lite.cli.times import age
from nodepool_lite.clouds.driver import Server
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.errors import CloudError
from nodepool_lite.model.node import Node
from nodepool_lite.model.pool import Pool
from nodepool_lite.plan.checks import is_known
from nodepool_lite.store.base import Snapshot


@dataclass(frozen=True)
class Marked:
    """A server with the pool's mark, which is an alien unless a record knows it."""

    provider: str
    server: Server


def columns(clock: Clock) -> Sequence[Column[Marked]]:
    """Return the columns of an alien."""
    return (
        Column("Provider", lambda each: each.provider),
        Column("Hostname", lambda each: each.server.name, rank=40),
        Column("Server-ID", lambda each: each.server.id),
        Column("IP", lambda each: each.server.address, rank=30),
        Column("State", lambda each: each.server.state.value),
        Column("Age", lambda each: age(clock.now() - each.server.created) if each.server.created else "", rank=20),
        Column("Node", lambda each: each.server.node_id),
    )


@click.command(
    "alien-list",
    cls=Exemplary,
    short_help="Servers with this pool's mark that no record knows.",
    examples={"nodepool-lite alien-list": "what the launcher's next clean-up will remove"},
)
@click.option("--column", "names", multiple=True, metavar="NAME", help="Only this column; repeatable.")
@click.option("--detail", is_flag=True, help="All columns, however wide the table gets.")
@format_option(*FORMATS)
@click.pass_obj
def command(app: App, *, names: tuple[str, ...], detail: bool, output_format: str) -> int:
    """Ask every provider for our servers, and print those that belong to no node. The launcher deletes them."""
    failed: list[str] = []
    with app.store() as store:
        before = store.read(Node, Pool)
        servers = list(_servers(app, before, failed))
        # A node may have ended while the clouds were asked, and a new one have been recorded.
        after = store.read(Node)
    found = [each for each in servers if not any(is_known(records, each.server) for records in (before, after))]
    click.echo(render(found, columns(app.clock), Shape(output_format, names, detail)), nl=False)
    for sentence in failed:
        note(sentence)
    return 1 if failed else 0


def _servers(app: App, records: Snapshot, failed: list[str]) -> Iterator[Marked]:
    """Yield everything with the pool's mark; `failed` takes a sentence for each provider that did not answer."""
    pool = next(iter(records.pool.values()), None)
    if pool is None:
        note("this pool has never run: nothing carries its mark")
        return
    for provider in app.config.providers:
        try:
            driver = app.driver(provider, pool.pool_id)
            servers = driver.list_servers()
        except CloudError as error:
            failed.append(f"{provider.name}: {error}")
            continue
        driver.close()
        yield from (Marked(provider.name, server) for server in servers)
