"""`nodepool-lite label-list`: what can be asked for."""

from collections import Counter
from collections.abc import Sequence

import click

from nodepool_lite.cli.app import App
from nodepool_lite.cli.lazy import Exemplary
from nodepool_lite.cli.listing import Column
from nodepool_lite.cli.times import short, stamp
from nodepool_lite.cli.watching import Listing, listing
from nodepool_lite.config.settings import Config
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.image import Build, Upload
from nodepool_lite.model.lease import Lease
from nodepool_lite.model.node import Node
from nodepool_lite.model.pool import Backoff
from nodepool_lite.service.status import LabelStatus, status


def columns(config: Config, clock: Clock) -> Sequence[Column[LabelStatus]]:
    """Return the columns of a label."""
    return (
        Column("Label", lambda label: label.name),
        Column("Wanted", lambda label: label.wanted),
        Column("Ready", lambda label: label.ready),
        Column("Building", lambda label: label.building),
        Column("In-Use", lambda label: label.in_use),
        Column("Waiting", lambda label: label.waiting, rank=30),
        Column("Failed", lambda label: label.failed, rank=20),
        Column("Machines", lambda label: _machines(config, label.name), rank=40),
        Column("Image", lambda label: _made_of(config, label.name), rank=50),
        Column("Providers", lambda label: _made_by(config, label.name), rank=60),
        Column("Ready-Script", lambda label: _script(config, label.name), rank=70),
        Column(
            "Next-Try", lambda label: until(label.next_try, clock), machine=lambda each: stamp(each.next_try), rank=9
        ),
        Column("Error", lambda label: label.error, rank=8),
    )


def until(moment: float | None, clock: Clock) -> str:
    """Return how long it is until a moment, empty when there is none."""
    return "" if moment is None else f"in {short(moment - clock.now())}"


def _machines(config: Config, name: str) -> list[str]:
    """Return what is handed out together: how many machines, and of a nodeset how many of each label."""
    label = config.label(name)
    if label is None:
        return []
    return [f"{count} {member}" for member, count in Counter(label.members).items()] or [str(label.size)]


def _made_of(config: Config, label: str) -> list[str]:
    return list(config.images_of(label))


def _made_by(config: Config, label: str) -> list[str]:
    return [
        provider.name
        for provider in config.providers
        if any(each.name == label for pool in provider.pools for each in pool.labels)
    ]


def _script(config: Config, name: str) -> str:
    label = config.label(name)
    return label.ready_script if label is not None else ""


@click.command(
    "label-list",
    cls=Exemplary,
    short_help="What can be asked for, and how much of it is ready.",
    examples={"nodepool-lite label-list": "one line for each label"},
)
@listing
@click.pass_obj
def command(app: App, listing: Listing) -> None:
    """Print the labels with the count of their nodes (a node with its sub-nodes counts once)."""
    config = app.config
    listing.show(
        app,
        (Node, Lease, Build, Upload, Backoff),
        columns(config, app.clock),
        lambda records: status(records, config).labels,
    )
