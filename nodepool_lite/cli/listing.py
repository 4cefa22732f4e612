"""Lists: which columns, in which format, once or for ever."""

import csv
import io
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import click
from msgspec import Struct

from nodepool_lite.cli import layout
from nodepool_lite.cli.formats import to_json, to_yaml

T = TypeVar("T")
Cell = str | int | float | bool | list[str] | None
FORMATS = ("table", "json", "yaml", "csv", "value")
STATE_COLOURS = {
    "ready": "green",
    "active": "green",
    "in-use": "cyan",
    "failed": "red",
    "deleting": "bright_black",
    "ended": "bright_black",
    "hold": "yellow",
}


class Column(Struct, Generic[T], frozen=True):
    """One column: its name, what a table says and, where that differs, what machines get."""

    name: str
    value: Callable[[T], Cell]
    rank: int = 0
    """A table on a narrow terminal leaves out the columns with the highest rank; 0 is always there."""
    machine: Callable[[T], Cell] | None = None
    moves: bool = False
    """It changes with the time alone, like an age."""

    def data(self, row: T) -> Cell:
        """Return the cell for machines."""
        return (self.machine or self.value)(row)


class Shape(Struct, frozen=True):
    """How the user wants to see a list."""

    format: str = "table"
    names: tuple[str, ...] = ()
    detail: bool = False

    def columns(self, known: Sequence[Column[T]]) -> Sequence[Column[T]]:
        """Return the columns that were asked for by name, or all; raises UsageError for an unknown name."""
        by_name = {column.name.lower(): column for column in known}
        for name in self.names:
            if name.lower() not in by_name:
                raise click.UsageError(f"no column {name}; there are: {', '.join(column.name for column in known)}")
        return [by_name[name.lower()] for name in self.names] or known


def render(rows: Sequence[T], known: Sequence[Column[T]], shape: Shape) -> str:
    """Return the list as text that ends with a line break, or empty."""
    columns = shape.columns(known)
    if shape.format == "table":
        return _table(rows, columns, shape)
    data = [[column.data(row) for column in columns] for row in rows]
    names = [column.name for column in columns]
    match shape.format:
        case "json":
            return to_json([dict(zip(names, cells, strict=True)) for cells in data])
        case "yaml":
            return to_yaml([dict(zip(names, cells, strict=True)) for cells in data])
        case "csv":
            return _csv([names, *([text(cell) for cell in cells] for cells in data)])
        case _:
            return "".join(" ".join(text(cell) for cell in cells).rstrip() + "\n" for cells in data)


def text(cell: Cell) -> str:
    """Return a cell as one line."""
    if cell is None:
        return ""
    if isinstance(cell, list):
        return ",".join(cell)
    return layout.one_line(str(cell))


def _table(rows: Sequence[T], columns: Sequence[Column[T]], shape: Shape) -> str:
    limit = layout.terminal_width()
    cells = [[text(column.value(row)) for column in columns] for row in rows]
    names = [column.name for column in columns]
    if limit is not None and not shape.detail and not shape.names:
        keep = _fitting(columns, [names, *cells], limit)
        names = [names[index] for index in keep]
        cells = [[row[index] for index in keep] for row in cells]
    lines = layout.aligned([names, *cells], None if shape.detail else limit)
    if limit is None or not lines:
        return "".join(f"{line}\n" for line in lines)
    coloured = (_coloured(line, row) for line, row in zip(lines[1:], cells, strict=True))
    return "".join(f"{line}\n" for line in (layout.heading(lines[0]), *coloured))


def _fitting(columns: Sequence[Column[T]], rows: Sequence[Sequence[str]], limit: int) -> list[int]:
    """Return which columns to show: the optional ones that say something, as far as there is room."""
    said = [len(rows) == 1 or any(row[index] for row in rows[1:]) for index in range(len(columns))]
    keep = [index for index, column in enumerate(columns) if said[index] or not column.rank]
    sizes = layout.widths(rows)
    while layout.total([_least(index, sizes, columns) for index in keep]) > limit:
        optional = [index for index in keep if columns[index].rank]
        if not optional:
            break
        keep.remove(max(optional, key=lambda index: columns[index].rank))
    return keep


def _least(index: int, sizes: Sequence[int], columns: Sequence[Column[T]]) -> int:
    """The last column may be cut short, the others may not."""
    return min(sizes[index], 2 * layout.NARROWEST) if index == len(columns) - 1 else sizes[index]


def _coloured(line: str, cells: Sequence[str]) -> str:
    """Return the line with its state in colour."""
    state = next((cell for cell in cells if cell in STATE_COLOURS), None)
    if state is None:
        return line
    before, found, after = line.partition(f"{layout.GAP}{state}")
    return f"{before}{click.style(found, fg=STATE_COLOURS[state])}{after}"


def _csv(rows: Sequence[Sequence[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
