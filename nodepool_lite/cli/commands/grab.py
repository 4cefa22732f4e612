"""`nodepool-lite grab`: take nodes."""

from pathlib import Path
from typing import Any

import click

from nodepool_lite.cli import complete
from nodepool_lite.cli.app import App
from nodepool_lite.cli.failures import note, signals_raise
from nodepool_lite.cli.formats import to_json, to_yaml
from nodepool_lite.cli.lazy import Exemplary
from nodepool_lite.cli.options import duration, format_option, lasting, text
from nodepool_lite.cli.times import local, short, stamp
from nodepool_lite.model.lease import Lease
from nodepool_lite.model.node import Node


@click.command(
    "grab",
    cls=Exemplary,
    short_help="Take nodes of a label, at once or when it is your turn.",
    examples={
        "nodepool-lite grab debian-12": "one node for the pool's usual lifetime",
        "nodepool-lite grab rdo --count 3 --wait 30m": "three at once, or nothing after half an hour",
        "LEASE=$(nodepool-lite grab debian-12 -f value)": "for a script; then `nodepool-lite release $LEASE`",
        "nodepool-lite grab rdo --public-key ~/.ssh/id_ed25519.pub": "log in with your own key while it lasts",
    },
)
@click.argument("label", shell_complete=complete.label_names)
@click.option("--count", type=click.IntRange(min=1), metavar="N", default=1, help="How many; all or none. [default: 1]")
@click.option(
    "--lifetime",
    type=lasting,
    metavar="DURATION",
    help="When the lease ends by itself, e.g. 4h. [default: lease-lifetime]",
)
@click.option("--reason", default="", type=text, help="What for; shown in `leases` and in the nodes' history.")
@click.option("--wait", type=duration, help="Give up after that long, e.g. 30m. Without it: wait for ever.")
@click.option("--no-wait", is_flag=True, help="Take what is there now, or exit with status 4.")
@click.option(
    "--public-key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Your own SSH public key: it opens these nodes until the lease ends.",
)
@format_option("table", "json", "yaml", "value")
@click.pass_obj
def command(
    app: App,
    label: str,
    *,
    count: int,
    lifetime: float | None,
    reason: str,
    wait: float | None,
    no_wait: bool,
    public_key: Path | None,
    output_format: str,
) -> None:
    """Take nodes of LABEL that nobody used before, and print the lease and how to get in.

    First come, first served. `-f value` prints the lease's id alone.
    """
    from nodepool_lite.cli.taking import read_public_key, take  # noqa: PLC0415 - completion does without
    from nodepool_lite.service.grab import Wish  # noqa: PLC0415

    if wait is not None and no_wait:
        raise click.UsageError("--wait and --no-wait exclude each other")
    key = None if public_key is None else read_public_key(public_key)
    wish = Wish(label, app.who, count, lifetime, reason, wait, key)
    with signals_raise():
        lease, records = take(app, wish, no_wait=no_wait)
    nodes = [records.nodes[each] for each in lease.nodes if each in records.nodes]
    click.echo(_said(app, lease, nodes, output_format), nl=False)
    if lease.public_key and not lease.certificates:
        note(f"a launcher signs the certificates; they will be in `nodepool-lite show {lease.id} -f json`")


def _said(app: App, lease: Lease, nodes: list[Node], output_format: str) -> str:
    match output_format:
        case "json":
            return to_json(_data(lease, nodes))
        case "yaml":
            return to_yaml(_data(lease, nodes))
        case "value":
            return f"{lease.id}\n"
    end = lease.expires or 0
    lines = [f"lease   {lease.id}  {lease.label}, ends in {short(end - app.clock.now())} at {local(end)}"]
    lines += [
        f"node    {node.id}  {node.username}@{node.address} port {node.port}  {node.hostname}  {node.member}".rstrip()
        for node in nodes
    ]
    lines += [f"log in  nodepool-lite ssh {lease.id if len(nodes) == 1 else nodes[0].id}"]
    return "".join(f"{line}\n" for line in lines)


def _data(lease: Lease, nodes: list[Node]) -> dict[str, Any]:
    return {
        "lease": lease.id,
        "label": lease.label,
        "owner": lease.owner,
        "reason": lease.reason,
        "expires": stamp(lease.expires),
        "nodes": [
            {
                "id": node.id,
                "hostname": node.hostname,
                "role": node.role,
                "set": node.set_id,
                "label": node.made_as,
                "provider": node.provider,
                "username": node.username,
                "address": node.address,
                "port": node.port,
                "private_address": node.private_address,
                "host_key": node.host_key,
                "certificate": lease.certificates.get(node.id),
            }
            for node in nodes
        ],
    }
