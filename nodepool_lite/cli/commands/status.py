"""`nodepool-lite status`: the pool on one page."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from nodepool_lite.cli import layout
from nodepool_lite.cli.app import App
from nodepool_lite.cli.formats import to_json, to_yaml
from nodepool_lite.cli.lazy import Exemplary
from nodepool_lite.cli.options import format_option
from nodepool_lite.cli.times import short, stamp, when
from nodepool_lite.cli.watching import keep_showing
from nodepool_lite.service.status import ImageStatus, LabelStatus, ProviderStatus, Status, status
from nodepool_lite.store.base import Snapshot

MOMENTS = frozenset({"next_try", "since", "building_since"})


@click.command(
    "status",
    cls=Exemplary,
    short_help="The pool on one page: what there is, what is wrong, when it is tried again.",
    examples={
        "nodepool-lite status": "one look",
        "nodepool-lite status --watch": "keep looking",
        "nodepool-lite status -f json": "for a program",
    },
)
@click.option("-w", "--watch", is_flag=True, help="Go on, and show every change.")
@format_option("table", "json", "yaml")
@click.pass_obj
def command(app: App, *, watch: bool, output_format: str) -> None:
    """Print labels, images, providers and processes, each with its last error and when it is tried again."""

    def said(records: Snapshot) -> tuple[str, object]:
        page = status(records, app.config)
        return _text(page, app.clock.now(), output_format), page

    if watch:
        keep_showing(app, said)
    with app.store() as store:
        click.echo(said(store.read())[0], nl=False)


def _text(page: Status, now: float, output_format: str) -> str:
    match output_format:
        case "json":
            return to_json(_plain(asdict(page)))
        case "yaml":
            return to_yaml(_plain(asdict(page)))
    return "".join(f"{line}\n" for line in _page(page, now))


def _plain(value: Any, key: str = "") -> Any:
    """Return data for machines: moments as ISO 8601."""
    if isinstance(value, dict):
        return {name: _plain(each, name) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return stamp(value) if key in MOMENTS else value


def _page(page: Status, now: float) -> Iterator[str]:
    yield f"Pool {page.pool}"
    yield ""
    yield from _labels(page)
    yield ""
    if page.images:
        yield from _images(page, now)
        yield ""
    yield from _providers(page)
    yield ""
    yield from _processes(page, now)
    troubles = list(_troubles(page, now))
    if troubles:
        yield ""
        yield layout.heading("Trouble")
        yield from troubles


def _labels(page: Status) -> Iterator[str]:
    head = ["Label", "Wanted", "Ready", "Building", "In-Use", "Hold", "Failed", "Waiting"]
    rows = [
        [
            each.name,
            *map(str, (each.wanted, each.ready, each.building, each.in_use, each.hold, each.failed, each.waiting)),
        ]
        for each in page.labels
    ]
    yield from _table(head, rows)


def _images(page: Status, now: float) -> Iterator[str]:
    rows = [
        [
            each.name,
            each.serving or "none yet",
            "" if each.since is None else short(now - each.since),
            ",".join(each.uploaded_to),
            "" if each.building_since is None else f"{each.building} ({short(now - each.building_since)})",
        ]
        for each in page.images
    ]
    yield from _table(["Image", "Serving", "Age", "At", "Being-Built"], rows)


def _providers(page: Status) -> Iterator[str]:
    rows = [
        [
            each.name,
            each.driver,
            f"{each.servers}/{'-' if each.max_servers is None else each.max_servers}",
            str(each.launching),
            each.leader.partition("/")[0] or "nobody",
        ]
        for each in page.providers
    ]
    yield from _table(["Provider", "Driver", "Servers", "Launching", "Launcher"], rows)


def _processes(page: Status, now: float) -> Iterator[str]:
    rows = [[each.role, each.host, str(each.pid), short(now - each.since), each.software] for each in page.members]
    yield from _table(["Process", "Host", "PID", "Up", "Version"], rows)
    if not rows:
        yield "none: start one with `nodepool-lite run`"


def _troubles(page: Status, now: float) -> Iterator[str]:
    seen: set[str] = set()
    causes: list[tuple[str, ProviderStatus | ImageStatus | LabelStatus]] = [
        *(("provider", each) for each in page.providers),
        *(("image", each) for each in page.images),
        *(("label", each) for each in page.labels),
    ]
    for kind, each in causes:
        if each.error and each.error not in seen:
            seen.add(each.error)
            again = "" if each.next_try is None else f" (next try {when(each.next_try, now)})"
            yield f"{kind} {each.name}: {layout.one_line(each.error)}{again}"
    for member in page.members:
        if member.config_error:
            yield f"{member.role} on {member.host} goes on with its old configuration; {member.config_file} has errors:"
            yield from (f"  {line}" for line in member.config_error.splitlines())
        if member.notice:
            yield f"{member.role} on {member.host}: {layout.one_line(member.notice)}"
    yield from (f"unreadable record {layout.one_line(each)}" for each in page.unreadable)


def _table(head: list[str], rows: list[list[str]]) -> Iterator[str]:
    first, *rest = layout.aligned([head, *rows], layout.terminal_width())
    yield layout.heading(first)
    yield from rest
