"""What is wrong with a configuration file: one sentence, its place, and what to write instead."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from nodepool_lite.config.secrets import without_value

_LONGEST = 300


class Severity(StrEnum):
    """How bad a problem is: an error keeps the file from being used, the rest is only said."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


class Position(NamedTuple):
    """A place in a file; line and column count from 1."""

    file: str
    line: int = 1
    column: int = 1


class Problem(Struct, frozen=True):
    """One finding, as `config check` prints it."""

    severity: Severity
    file: str
    line: int
    column: int
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        """The line for people and editors: `file:line:column: message; suggestion`."""
        severity = "" if self.severity is Severity.ERROR else f"{self.severity}: "
        suggestion = f"; {self.suggestion}" if self.suggestion else ""
        return f"{self.file}:{self.line}:{self.column}: {severity}{self.message}{suggestion}"


class Report:
    """Collects the problems of one load, so that all are told at once."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []

    def error(self, at: Position, message: str, suggestion: str = "") -> None:
        """Add what keeps the file from being used."""
        self._add(Severity.ERROR, at, message, suggestion)

    def unknown_key(self, at: Position, key: str, known: Iterable[str], where: str = "") -> None:
        """Add an error about a key that is none of the known ones (` in an image` and the like: `where`)."""
        self.error(at, f"unknown key `{without_value(key)}`{where}", did_you_mean(key, known))

    def warning(self, at: Position, message: str, suggestion: str = "") -> None:
        """Add what will probably not do what was meant."""
        self._add(Severity.WARNING, at, message, suggestion)

    def notice(self, at: Position, message: str, suggestion: str = "") -> None:
        """Add what is good to know: a key that was translated or is not acted on."""
        self._add(Severity.NOTICE, at, message, suggestion)

    def _add(self, severity: Severity, at: Position, message: str, suggestion: str) -> None:
        self._problems.append(Problem(severity, *at, _one_line(message), _one_line(suggestion)))

    @property
    def failed(self) -> bool:
        """Whether there is an error among them."""
        return any(each.severity is Severity.ERROR for each in self._problems)

    def problems(self) -> tuple[Problem, ...]:
        """Return them without repetition, in the order of the file."""
        return tuple(sorted(dict.fromkeys(self._problems), key=lambda each: (each.file, each.line, each.column)))


def _one_line(text: str) -> str:
    """Return text that keeps a problem on one line of bearable length, whatever was quoted from the file."""
    line = "".join(each if each.isprintable() else " " for each in text)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was most probably meant, if one is near enough."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a file with a slip pays for this import

    folded = {each.lower().replace("_", "-"): each for each in known}
    matches = get_close_matches(word.lower().replace("_", "-"), folded, n=1, cutoff=0.7)
    return folded[matches[0]] if matches else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a suggestion for a word that is not known: the nearest one, else all when they are few."""
    choices = sorted(set(known))
    near = nearest(word, choices)
    if near:
        return f"did you mean `{near}`?"
    if len(choices) == 1:
        return f"the only one is `{choices[0]}`"
    few = 12
    return f"known: {', '.join(choices)}" if 1 < len(choices) <= few else ""
