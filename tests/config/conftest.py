"""Files to load, written by the test that needs them."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from nodepool_lite.config.load import Loaded, load

DATA = Path(__file__).parent / "data"
ETC = Path(__file__).parents[2] / "etc"
FILES = [DATA / "article.yaml", *sorted(each for each in ETC.glob("*.yaml") if each.name != "clouds.yaml")]
"""The article's configuration and those that ship."""

BASE = """\
diskimages:
  - name: debian-12
    elements: [debian-minimal, vm]
labels:
  - name: debian-12
    min-ready: 1
providers:
  - name: local
    driver: qemu
    pools:
      - labels:
          - name: debian-12
            diskimage: debian-12
"""
"""A small file that is right."""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Write a text as nodepool.yaml and return its path."""

    def write(text: str) -> Path:
        path = tmp_path / "nodepool.yaml"
        path.write_text(dedent(text))
        return path

    return write


@pytest.fixture
def told(write: Callable[[str], Path]) -> Callable[..., list[str]]:
    """Return what is said about a text, without the file's name: `line:column: message; suggestion`."""

    def told(text: str, **environ: str) -> list[str]:
        path = write(text)
        return said(load(path, environ))

    return told


def said(loaded: Loaded) -> list[str]:
    """Return the problems as lines without the file's name."""
    return [str(each).removeprefix(f"{each.file}:") for each in loaded.problems]
