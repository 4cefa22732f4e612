"""Options that several commands share."""

from collections.abc import Callable
from typing import TypeVar

import click

from nodepool_lite.config.duration import positive, seconds

T = TypeVar("T")


def duration(text: str) -> float:
    """Return a span of time such as 90, 90s, 15m, 8h or 1d in seconds; the type of options that take one."""
    return _read(seconds, text)


def lasting(text: str) -> float:
    """Return a span of time above 0 in seconds; the type of options that say how long something is to last."""
    return _read(positive, text)


def _read(read: Callable[[object], float], text: str) -> float:
    try:
        return read(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: {error}") from None


def text(typed: str) -> str:
    """Return what a person typed as text that can be stored: bytes that are none are told by a question mark."""
    return typed.encode(errors="replace").decode()


def words(typed: str) -> str:
    """Return `text` that says something; the type of options for what others have to be told."""
    if not typed.strip():
        raise click.BadParameter("it says nothing")
    return text(typed)


def format_option(*formats: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Return the option `-f`."""
    return click.option(
        "-f",
        "--format",
        "output_format",
        type=click.Choice(formats),
        default=formats[0],
        show_default=True,
        help="How to print it.",
    )
