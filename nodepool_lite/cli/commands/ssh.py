"""`nodepool-lite ssh`: be inside a node."""

import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from nodepool_lite.cli import complete
from nodepool_lite.cli.app import App
from nodepool_lite.cli.failures import note, signals_raise
from nodepool_lite.cli.lazy import Exemplary
from nodepool_lite.cli.options import duration, lasting, text
from nodepool_lite.model.errors import NodepoolError, StoreUnavailableError
from nodepool_lite.model.lease import Lease, LeaseState
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.store.base import Snapshot

if TYPE_CHECKING:
    from nodepool_lite.service.grab import Wish

SIGNING = 15.0
"""Seconds for a launcher to sign the certificate of a key that was made for this one login."""


@click.command(
    "ssh",
    cls=Exemplary,
    short_help="Log in to a node; a label gives a fresh one.",
    examples={
        "nodepool-lite ssh debian-12": "a machine that nobody used before, given back at exit",
        "nodepool-lite ssh debian-12 --keep": "the same, to come back to later",
        "nodepool-lite ssh k7mp2x9q -- uname -a": "one command on the node of a lease",
    },
)
@click.argument("target", metavar="LABEL|NODE|LEASE", shell_complete=complete.anything(complete.labels, Node, Lease))
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND]")
@click.option("--keep", is_flag=True, help="Do not release the node at exit.")
@click.option(
    "--lifetime", type=lasting, metavar="DURATION", help="When the lease ends by itself. [default: lease-lifetime]"
)
@click.option("--reason", default="", type=text, help="What for.")
@click.option("--wait", type=duration, help="Give up waiting after that long. Without it: wait for ever.")
@click.option("--no-wait", is_flag=True, help="Take what is there now, or exit with status 4.")
@click.option(
    "--identity",
    "-i",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Your private key, if the lease is for a key that is not in ~/.ssh.",
)
@click.pass_obj
def command(
    app: App,
    target: str,
    words: tuple[str, ...],
    *,
    keep: bool,
    lifetime: float | None,
    reason: str,
    wait: float | None,
    no_wait: bool,
    identity: Path | None,
) -> int:
    """Log in with the system's ssh, which accepts the node's own host key only. Exits with COMMAND's status.

    A LABEL takes a fresh node, and gives it back at exit unless --keep is there.
    """
    if wait is not None and no_wait:
        raise click.UsageError("--wait and --no-wait exclude each other")
    with signals_raise():
        if app.config.label(target) is None:
            lease, node = _existing(app, target)
            return _log_in(app, lease, node, words, identity)
        from nodepool_lite.service.grab import Wish  # noqa: PLC0415 - completion does without

        wish = Wish(target, app.who, 1, lifetime, reason, wait)
        return _in_a_fresh_node(app, wish, words, keep=keep, no_wait=no_wait)


def _existing(app: App, name: str) -> tuple[Lease | None, Node]:
    from nodepool_lite.service.names import must_be_readable, node_named  # noqa: PLC0415 - completion does without

    with app.store() as store:
        records = store.read(Node, Lease)
    lease = records.leases.get(name)
    if lease is not None:
        return lease, _node_of(records, lease)
    node = node_named(records.nodes, name)
    if node is None:
        from nodepool_lite.model.errors import NoSuchThingError  # noqa: PLC0415 - seldom

        must_be_readable(records, name)
        raise NoSuchThingError(f"there is no label, node or lease {name}; see `label-list`, `list` and `leases`")
    if node.state is NodeState.READY:
        note(f"node {node.id} is in nobody's hands: whoever grabs it next finds what you leave there")
    return records.leases.get(node.lease or ""), node


def _node_of(records: Snapshot, lease: Lease) -> Node:
    if lease.state is not LeaseState.ACTIVE:
        raise NodepoolError(
            f"lease {lease.id} is {lease.state}" + (f" ({lease.end_reason})" if lease.end_reason else "")
        )
    found = [records.nodes[each] for each in lease.nodes if each in records.nodes]
    if not found:
        raise NodepoolError(f"lease {lease.id} has no node any more")
    return found[0]


def _in_a_fresh_node(app: App, wish: "Wish", words: tuple[str, ...], *, keep: bool, no_wait: bool) -> int:
    from nodepool_lite.cli.identity import own_directory, pool_key_file, write_private  # noqa: PLC0415 - the same
    from nodepool_lite.cli.taking import take  # noqa: PLC0415

    with ExitStack() as stack:
        own: Path | None = None
        if pool_key_file(app.config) is None:
            from nodepool_lite.access.keys import new_host_key  # noqa: PLC0415 - slow to import

            pair = new_host_key()
            own = write_private(stack.enter_context(own_directory()) / "key", pair.private_openssh)
            wish = replace(wish, public_key=pair.public)
        lease, records = take(app, wish, no_wait=no_wait)
        if keep:
            note(f"lease {lease.id} goes on after this login: `nodepool-lite ssh {lease.id}`")
        else:
            stack.callback(_give_back, app, lease)
        return _log_in(app, lease, records.nodes[lease.nodes[0]], words, own)


def _log_in(app: App, lease: Lease | None, node: Node, words: tuple[str, ...], given: Path | None) -> int:
    from nodepool_lite.access.client import known_hosts_line, ssh_command  # noqa: PLC0415 - completion does without
    from nodepool_lite.access.session import Target  # noqa: PLC0415
    from nodepool_lite.cli.identity import identity, own_directory, pool_key_file, write_private  # noqa: PLC0415

    if lease is not None and len(lease.nodes) > 1:
        note(f"this is node {node.id}; `nodepool-lite show {lease.id}` tells the other machines of the lease")
    if node.address is None or node.host_key is None:
        raise NodepoolError(f"node {node.id} is {node.state} and cannot be logged in to yet")
    if lease is not None and lease.public_key and not lease.certificates and pool_key_file(app.config) is None:
        lease = _signed(app, lease)
    chosen = identity(app.config, lease, node, given)
    target = Target(node.address, node.port, node.username, node.host_key)
    with own_directory() as directory:
        known = write_private(directory / "known_hosts", known_hosts_line(target.host, target.port, node.host_key))
        certificate = None
        if chosen.certificate:
            certificate = write_private(directory / "key-cert.pub", f"{chosen.certificate}\n")
        return _run(ssh_command(target, chosen.key, known, words, certificate))


def _signed(app: App, lease: Lease) -> Lease:
    from nodepool_lite.service.leases import await_signature  # noqa: PLC0415 - completion does without

    with app.store(watch=True) as store:
        return await_signature(store, app.clock, lease.id, SIGNING)


def _run(arguments: list[str]) -> int:
    """Run ssh in the foreground; Ctrl-C is for what runs on the node."""

    def ignore(_number: int, _frame: FrameType | None) -> None:
        """Do nothing; unlike SIG_IGN, ssh does not inherit this."""

    before = signal.signal(signal.SIGINT, ignore)
    try:
        with subprocess.Popen(arguments) as process:
            try:
                status = process.wait()
            except SystemExit:
                process.terminate()
                raise
    except FileNotFoundError:
        raise NodepoolError(
            "ssh is not installed: install openssh-client (Debian) or openssh-clients (CentOS)"
        ) from None
    finally:
        signal.signal(signal.SIGINT, before)
    return 128 - status if status < 0 else status


def _give_back(app: App, lease: Lease) -> None:
    from nodepool_lite.service.leases import release  # noqa: PLC0415 - completion does without

    try:
        with app.store() as store:
            release(store, lease.id, app.who, app.clock.now())
    except StoreUnavailableError as error:
        note(f"lease {lease.id} could not be released and ends by itself: {error}")
    except NodepoolError as error:
        note(str(error))  # somebody ended it meanwhile
