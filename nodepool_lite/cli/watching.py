"""The options of lists, and the loop behind `--watch`."""

import shutil
import threading
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

import click

from nodepool_lite.cli import layout
from nodepool_lite.cli.app import App
from nodepool_lite.cli.failures import note
from nodepool_lite.cli.listing import FORMATS, Column, Shape, render
from nodepool_lite.cli.options import format_option
from nodepool_lite.model.errors import StoreUnavailableError
from nodepool_lite.model.record import Record
from nodepool_lite.store.base import Snapshot, Store

T = TypeVar("T")
TICK = 1.0
"""Seconds between two looks at a clock that only ages depend on."""
CLEAR = "\x1b[H\x1b[2J\x1b[3J"


class Listing:
    """What `-f`, `--column`, `--detail` and `--watch` came to."""

    def __init__(self, shape: Shape, *, watch: bool) -> None:
        self.shape = shape
        self.watch = watch

    def show(
        self,
        app: App,
        kinds: Sequence[type[Record]],
        columns: Sequence[Column[T]],
        rows: Callable[[Snapshot], Sequence[T]],
        afterwards: Callable[[Store, Snapshot], None] = lambda _store, _records: None,
    ) -> None:
        """Print the rows that the records give; with `--watch`, again after each change, else `afterwards` the rest."""
        self.shape.columns(columns)  # a column that does not exist is told before anything is read
        if not self.watch:
            with app.store() as store:
                records = store.read(*kinds)
                click.echo(render(rows(records), columns, self.shape), nl=False)
                afterwards(store, records)
            return

        def said(records: Snapshot) -> tuple[str, object]:
            found = rows(records)
            still = [[column.data(row) for column in columns if not column.moves] for row in found]
            return render(found, columns, self.shape), still

        keep_showing(app, said)


def keep_showing(app: App, said: Callable[[Snapshot], tuple[str, object]]) -> None:
    """Print what `said` makes of the records (text, and what in it is news) until interrupted.

    On a terminal the text replaces the one before, and ages go on counting; elsewhere only news are printed.
    """
    terminal = layout.terminal_width() is not None
    changed = threading.Event()
    news: object = None
    with app.store(watch=True) as store, store.subscribe(changed.set):
        while True:
            changed.clear()
            try:
                text, present = said(store.snapshot())
            except StoreUnavailableError:
                note("ZooKeeper cannot be reached at the moment; waiting for it to come back")
                changed.wait()
                continue
            if terminal:
                click.echo(f"{CLEAR}{_upper_part(text)}", nl=False)
            elif present != news:
                click.echo(text, nl=False)
            news = present
            changed.wait(TICK if terminal else None)


def _upper_part(text: str) -> str:
    """Return as many lines as fit on the terminal, and how many more there are."""
    lines = text.splitlines()
    room = shutil.get_terminal_size().lines - 1
    if len(lines) > room:
        lines = [*lines[: room - 1], f"... {len(lines) - room + 1} more"]
    return "".join(f"{line}\n" for line in lines)


def listing(command: Callable[..., T]) -> Callable[..., T]:
    """Give a command the options of a list, as one argument `listing`."""

    @wraps(command)
    def with_listing(
        *args: Any, output_format: str, columns: tuple[str, ...], detail: bool, watch: bool, **kwargs: Any
    ) -> T:
        return command(*args, listing=Listing(Shape(output_format, columns, detail), watch=watch), **kwargs)

    options = (
        click.option("-w", "--watch", is_flag=True, help="Go on, and show every change."),
        click.option("--detail", is_flag=True, help="All columns, however wide the table gets."),
        click.option("--column", "columns", multiple=True, metavar="NAME", help="Only this column; repeatable."),
        format_option(*FORMATS),
    )
    decorated: Callable[..., T] = with_listing
    for option in options:
        decorated = option(decorated)
    return decorated
