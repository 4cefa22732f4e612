"""`nodepool-lite progress`: watch a label on its way to the first ready node."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import click

from nodepool_lite.cli import complete
from nodepool_lite.cli.app import App
from nodepool_lite.cli.lazy import Exemplary
from nodepool_lite.cli.options import duration
from nodepool_lite.cli.stages import STAGES, Progress, Stage, progress
from nodepool_lite.model.errors import NoSuchThingError, StoreUnavailableError, WaitTimeoutError
from nodepool_lite.store.base import Store

PATIENCE = 60.0
"""Seconds in which a daemon that was only just started must have its ZooKeeper running."""
TICK = 0.5
"""Seconds between two drawings: the seconds that a stage takes are shown as they pass."""


@click.command(
    "progress",
    cls=Exemplary,
    short_help="Watch a label on its way to a ready node.",
    examples={
        "nodepool-lite progress debian-12": "until one node is ready: bars on a terminal, lines elsewhere",
        "nodepool-lite progress debian-12 --wait 10m": "at most ten minutes",
    },
)
@click.argument("label", shell_complete=complete.configured(complete.labels))
@click.option("--wait", type=duration, default="60m", show_default=True, help="How long to wait at most.")
@click.pass_obj
def command(app: App, label: str, wait: float) -> None:
    """Show image build, upload, boot and ready-script until a node of LABEL is ready."""
    if app.config.label(label) is None:
        known = ", ".join(each.name for each in app.config.labels)
        raise NoSuchThingError(f"there is no label {label}; there are: {known or 'none'}")
    deadline = app.clock.now() + wait
    with _patient_store(app, deadline) as store, _display() as show:
        changed = threading.Event()
        with store.subscribe(changed.set):
            while True:
                changed.clear()
                now = app.clock.now()
                seen = progress(store.snapshot(), app.config, label, now)
                show(seen, now)
                if seen.ready is not None:
                    return
                if now >= deadline:
                    raise WaitTimeoutError(f"no node of {label} became ready within {wait:.0f} s: {_reason(seen)}")
                changed.wait(TICK)


@contextmanager
def _patient_store(app: App, deadline: float) -> Iterator[Store]:
    """The daemon may only just have been started: its ZooKeeper is waited for as well."""
    patience = min(deadline, app.clock.now() + PATIENCE)
    while True:
        try:
            store = app.open_store(app.config, watch=True)
            break
        except StoreUnavailableError:
            if app.clock.now() >= patience:
                raise
            app.clock.sleep(0.5)
    with closing(store):
        yield store


@contextmanager
def _display() -> Iterator[Callable[[Progress, float], None]]:
    import sys  # noqa: PLC0415

    if sys.stderr.isatty():
        with _bars() as show:
            yield show
    else:
        yield _Lines()


class _Lines:
    """One line for each step, without colours, for logs and pipes."""

    def __init__(self) -> None:
        self._said: set[str] = set()
        self._began: dict[str, float] = {}

    def __call__(self, seen: Progress, now: float) -> None:
        for stage in seen.stages:
            if stage.since is not None:
                self._began.setdefault(stage.name, stage.since)
            self._say(self._line(stage, now), f"{stage.name} {'done' if stage.done else stage.detail}")
        if seen.trouble:
            self._say(f"trouble: {seen.trouble}", seen.trouble.partition(" (next try")[0])
        if seen.ready is not None:
            self._say(f"ready: node {seen.ready.id}", "ready")

    def _line(self, stage: Stage, now: float) -> str:
        if not stage.done and stage.fraction <= 0:
            return ""
        began = self._began.get(stage.name)
        took = f" ({now - began:.0f} s)" if began is not None else ""
        what = STAGES[stage.name]
        return f"{what}: done{took}" if stage.done else f"{what}: {stage.detail or 'begun'}{took}"

    def _say(self, line: str, key: str) -> None:
        if line and key not in self._said:
            self._said.add(key)
            click.echo(line, err=True)


@contextmanager
def _bars() -> Iterator[Callable[[Progress, float], None]]:
    """A bar for each stage on a terminal."""
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.progress import BarColumn, TextColumn  # noqa: PLC0415
    from rich.progress import Progress as Bars  # noqa: PLC0415

    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[took]:>6}"),
        TextColumn("[dim]{task.fields[detail]}"),
    )
    with Bars(*columns, console=Console(stderr=True), transient=False) as bars:
        tasks = {name: bars.add_task(what, total=1.0, took="", detail="") for name, what in STAGES.items()}
        began: dict[str, float] = {}
        ended: dict[str, float] = {}

        def show(seen: Progress, now: float) -> None:
            for stage in seen.stages:
                if stage.since is not None:
                    began.setdefault(stage.name, stage.since)
                if stage.done:
                    ended.setdefault(stage.name, now)
                start = began.get(stage.name)
                took = "" if start is None else f"{ended.get(stage.name, now) - start:.0f} s"
                bars.update(tasks[stage.name], completed=stage.fraction, took=took, detail=stage.detail)
            if seen.trouble:
                current = next((stage for stage in seen.stages if not stage.done), seen.stages[-1])
                bars.update(tasks[current.name], detail=seen.trouble)

        yield show


def _reason(seen: Progress) -> str:
    current = next((stage for stage in seen.stages if not stage.done), seen.stages[-1])
    return seen.trouble or f"it is still to {STAGES[current.name]}"
