"""`nodepool-lite doctor`: what is missing on this host, and how to get it."""

import click

from nodepool_lite.cli.app import App
from nodepool_lite.cli.examination import Finding, examine
from nodepool_lite.cli.lazy import Exemplary

MARKS = {"ok": "green", "note": "yellow", "missing": "red"}


@click.command(
    "doctor",
    cls=Exemplary,
    short_help="Tell what is missing on this host, and how to get it.",
    examples={
        "nodepool-lite doctor": "look at everything; status 1 when something is missing",
        "sudo nodepool-lite doctor": "as the builder would see it",
    },
)
@click.pass_obj
def command(app: App) -> int:
    """Look for what the pool needs here: configuration, ZooKeeper, image tools, QEMU and KVM, disk, permissions."""
    missing = False
    for finding in examine(app):
        missing = missing or finding.mark == "missing"
        _tell(finding)
    return 1 if missing else 0


def _tell(finding: Finding) -> None:
    lines = finding.sentence.splitlines()
    click.echo(f"{click.style(f'{finding.mark:8}', fg=MARKS[finding.mark])}{finding.about:14}{lines[0]}")
    for line in lines[1:]:
        click.echo(f"{'':22}{line}")
