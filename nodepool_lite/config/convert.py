"""From any file that can be read to the native form, as text to be kept instead of it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from nodepool_lite.config import emit
from nodepool_lite.config.load import errors_of, native_tree
from nodepool_lite.config.problem import Problem, Report, Severity
from nodepool_lite.config.source import SECURE_VARIABLE
from nodepool_lite.model.errors import ConfigError


class _AsWritten(Mapping[str, str]):
    """An environment in which every variable stands for itself, so that `%(NODEPOOL_X)` stays in the text."""

    def __getitem__(self, name: str) -> str:
        if not name.startswith("NODEPOOL_") or name == SECURE_VARIABLE:
            raise KeyError(name)
        return f"%({name})"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def convert(path: Path) -> str:
    """Return the file in the native dialect; what was left out or moved stands in comments at the top.

    The result belongs into the same directory, for relative paths stay as they are.

    Raises:
        ConfigError: the file has errors that hide what is meant; the message lists them.
    """
    report = Report()
    tree = native_tree(path, _AsWritten(), report)
    if tree is None or report.failed:
        raise ConfigError(errors_of(report.problems()))
    return emit.to_yaml(emit.from_item(tree), list(_comments(path, report.problems())))


def _comments(path: Path, problems: tuple[Problem, ...]) -> Iterator[str]:
    yield f"Converted from {path.name} by `nodepool-lite config convert`; its comments are not here."
    notices = [each for each in problems if each.severity is Severity.NOTICE]
    if notices:
        yield "What was translated or left out, by its line there:"
    for each in notices:
        yield f"  {each.line}: {each.message}; {each.suggestion}"
