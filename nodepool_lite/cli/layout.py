"""Plain text in columns: aligned, without borders, no wider than it has to be."""

import os
import sys
import unicodedata
from collections.abc import Sequence

import click

GAP = "  "
ELLIPSIS = "…"
NARROWEST = 12
"""A last column that is cut short keeps at least that many characters."""


def terminal_width() -> int | None:
    """Return the columns of the terminal that stdout is, or None when it is none."""
    if not sys.stdout.isatty():
        return None
    return int(os.environ.get("COLUMNS") or 0) or os.get_terminal_size(sys.stdout.fileno()).columns or None


def width(text: str) -> int:
    """Return how many columns a terminal needs for the text."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the width of each column."""
    return [max(map(width, column)) for column in zip(*rows, strict=True)]


def total(column_widths: Sequence[int]) -> int:
    """Return the width of a line."""
    return sum(column_widths) + len(GAP) * max(0, len(column_widths) - 1)


def aligned(rows: Sequence[Sequence[str]], limit: int | None = None) -> list[str]:
    """Return the rows as lines; with `limit`, the last column is cut short to fit into that width."""
    if not rows or not rows[0]:
        return []
    sizes = widths(rows)
    if limit is not None and total(sizes) > limit:
        sizes[-1] = max(NARROWEST, limit - total([*sizes[:-1], 0]))
    return [GAP.join(pad(cell, size) for cell, size in zip(row, sizes, strict=True)).rstrip() for row in rows]


def pad(text: str, size: int) -> str:
    """Return the text in exactly `size` columns."""
    if width(text) <= size:
        return text + " " * (size - width(text))
    while width(text) > size - 1:
        text = text[:-1]
    return text + ELLIPSIS + " " * (size - 1 - width(text))


def one_line(text: str) -> str:
    """Return the text without line breaks and control characters, which would break a table or a terminal."""
    return "".join(char if char.isprintable() else " " for char in text.strip())


def heading(text: str) -> str:
    """Return the text as a heading; plain when stdout is not a terminal."""
    return click.style(text, bold=True)
