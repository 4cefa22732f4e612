"""Whether the elements and ready-scripts that a file names are on this host.

All of it is said as warnings: they may be on the builder's host, or in the image.
"""

import os
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from nodepool_lite.config import packstack, scripts, shipped
from nodepool_lite.config.finish import absolute
from nodepool_lite.config.problem import Position, Report, did_you_mean
from nodepool_lite.config.tree import Item


def check_files(root: Item, base: Path, environ: Mapping[str, str], report: Report) -> None:
    """Report elements, ready-scripts and directories that a native tree names and that are not found on this host."""
    elements, ready_scripts = (
        tuple(absolute(Path(each), base, environ) for each in _directories(root.get(key)))
        for key in ("elements-dir", "scripts-dir")
    )
    for key, directories in (("elements-dir", elements), ("scripts-dir", ready_scripts)):
        for directory in directories:
            if not exists(directory):
                report.warning(root.place(key), f"`{key}`: there is no directory {directory}")
    _scripts(root, (*ready_scripts, shipped.scripts_dir()), report)
    _of_2017(root, ready_scripts, report)
    _elements(root, (*elements, shipped.elements_dir(), *dib_elements()), report)


def _directories(item: Item | None) -> list[str]:
    """Return the directories of a key as they are written: a list, or one text with colons between."""
    if item is None:
        return []
    return [each.text or "" for each in item.items] if item.items is not None else (item.text or "").split(":")


def exists(path: Path) -> bool:
    """Return whether there is such a file or directory, as far as this user may look."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _scripts(root: Item, places: tuple[Path, ...], report: Report) -> None:
    for label in root.each("labels"):
        for key in ("ready-script", "verify-script"):
            name = label.word(key)
            if name and "/" not in name and not any(exists(place / name) for place in places):
                near = did_you_mean(name, _children(places))
                hint = near if near.startswith("did") else "it has to be in the image, under /opt/nodepool-scripts"
                report.warning(label.place(key), f"the {key} `{name}` is not in `scripts-dir`", hint)
            for sentence in scripts.missing(places, name) if name else ():
                report.warning(label.place(key), sentence, "add it there")


def _of_2017(root: Item, places: tuple[Path, ...], report: Report) -> None:
    """Warn about scripts in `scripts-dir` that today's Packstack cannot work with, named by a label or not."""
    for script in sorted(each for place in places for each in _listed(place)):
        for sentence in packstack.complaints(script) if os.path.isfile(script) else ():  # noqa: PTH113 - as below
            hint = "take it away: a newer one ships" if (shipped.scripts_dir() / script.name).exists() else ""
            report.warning(_where(root, script.name), f"{script}: {sentence}", hint)


def _where(root: Item, script: str) -> Position:
    """Return where a label names the script, or else where `scripts-dir` is."""
    named = (label.place("ready-script") for label in root.each("labels") if label.word("ready-script") == script)
    return next(named, root.place("scripts-dir"))


def _elements(root: Item, places: tuple[Path, ...], report: Report) -> None:
    for diskimage in root.each("diskimages"):
        for element in diskimage.each("elements"):
            name = element.text or ""
            if name and "/" not in name and not any(exists(place / name) for place in places):
                near = did_you_mean(name, _children(places))
                hint = near if near.startswith("did") else "add its directory to `elements-dir`"
                report.warning(element.at, f"the element `{name}` is not found on this host", hint)


@cache
def dib_elements() -> tuple[Path, ...]:
    """Return the directory of diskimage-builder's own elements; none when it is not installed."""
    spec = find_spec("diskimage_builder")
    places = (spec.submodule_search_locations or []) if spec else []
    return tuple(Path(each) / "elements" for each in places)


def _children(directories: tuple[Path, ...]) -> Iterator[str]:
    for directory in directories:
        yield from (each.name for each in _listed(directory))


def _listed(directory: Path) -> list[Path]:
    """Return what is in a directory, as far as this user may look; Path.iterdir raises where she may not."""
    try:
        return list(directory.iterdir())
    except (OSError, ValueError):
        return []
