"""`nodepool-lite logs`: what a node's ready-script printed, or its console."""

import os
from collections.abc import Callable
from pathlib import Path

import click

from nodepool_lite.cli import complete
from nodepool_lite.cli.app import App
from nodepool_lite.cli.failures import note
from nodepool_lite.cli.following import LOOK, follow_file, print_file, write
from nodepool_lite.cli.lazy import Exemplary
from nodepool_lite.model.errors import NodepoolError, NoSuchThingError
from nodepool_lite.model.node import PENDING, Node
from nodepool_lite.store.base import Store

CONNECT_TIMEOUT = 20.0


@click.command(
    "logs",
    cls=Exemplary,
    short_help="What a node's ready-script printed, or its console.",
    examples={
        "nodepool-lite logs 42 --follow": "until the ready-script has ended",
        "nodepool-lite logs 42 --console": "how the machine booted",
    },
)
@click.argument("node", shell_complete=complete.nodes)
@click.option("--follow", is_flag=True, help="Go on until the node has left preparation.")
@click.option("--console", is_flag=True, help="The serial console instead of the ready-script.")
@click.pass_obj
def command(app: App, node: str, *, follow: bool, console: bool) -> None:
    """Print a node's log: kept by the launcher on this host, else fetched from the node over SSH.

    NODE may be one that is gone already, if its id is given in full.
    """
    with app.store(watch=follow) as store:
        found = _node(store, node)
        directory = app.config.state_dir / "logs" / "nodes" / (found.id if found else node)
        if console:
            _console(app, store, found, directory / "console.log")
            return
        path = directory / "ready-script.log"
        ended = _ended(store, found)
        kept = os.path.exists(path)  # noqa: PTH110 - Path.exists raises where this user may not look
        if kept and not follow:
            print_file(path)
        elif kept or (os.path.isdir(directory.parent) and follow and not ended()):  # noqa: PTH112 - the same
            follow_file(path, app.clock, ended)
        else:
            _from_node(app, _known(found, node), ended if follow else lambda: True)


def _node(store: Store, name: str) -> Node | None:
    from nodepool_lite.service.names import node_named  # noqa: PLC0415 - completion does without

    return node_named(store.read(Node).nodes, name)


def _known(node: Node | None, name: str) -> Node:
    if node is None:
        raise NoSuchThingError(f"there is no node {name}, and no log of it on this host")
    return node


def _ended(store: Store, node: Node | None) -> Callable[[], bool]:
    """Return what tells whether the node has left preparation; `store` must watch if it is asked more than once."""

    def ended() -> bool:
        if node is None:
            return True
        present = store.snapshot().nodes.get(node.id)
        return present is None or present.state not in PENDING

    return ended


def _console(app: App, store: Store, node: Node | None, kept: Path) -> None:
    if node is not None and node.server_id is not None:
        from nodepool_lite.clouds.registry import open_driver  # noqa: PLC0415 - only here
        from nodepool_lite.model.pool import Pool  # noqa: PLC0415
        from nodepool_lite.service.names import the_provider  # noqa: PLC0415

        pool = next(iter(store.read(Pool).pool.values()), None)
        provider = the_provider(app.config, node.provider)
        driver = open_driver(provider, config=app.config, pool_id=pool.pool_id if pool else "", clock=app.clock)
        try:
            console = driver.console_log(node.server_id)
        except NodepoolError as error:
            note(f"{node.provider}: {error}")
            console = ""
        if console:
            click.echo(console, nl=not console.endswith("\n"))
            return
    if not os.path.exists(kept):  # noqa: PTH110 - see above
        raise NodepoolError("there is no console log: the provider has none, and none was kept on this host")
    print_file(kept)


def _from_node(app: App, node: Node, ended: Callable[[], bool]) -> None:
    if node.script is None or node.address is None:
        raise NodepoolError(f"node {node.id} has no ready-script log: no ready-script was run on it")
    from nodepool_lite.access.script import poll_script  # noqa: PLC0415 - only when the log is not on this host
    from nodepool_lite.access.session import Target, connect  # noqa: PLC0415
    from nodepool_lite.cli.identity import readable_pool_key  # noqa: PLC0415

    key = readable_pool_key(app.config)
    session = connect(Target(node.address, node.port, node.username, node.host_key), key, CONNECT_TIMEOUT)
    offset = 0
    try:
        while True:
            status = poll_script(session, node.script.run_id, offset)
            write(status.output)
            if not status.output:
                if not status.running or ended():
                    return
                app.clock.sleep(LOOK)
            offset = status.offset
    finally:
        session.close()
