"""Where the elements, ready-scripts and examples are that come with nodepool-lite.

In a checkout `nodepool_lite/share` links to the top level's folders; a wheel holds copies of them at the same place.
"""

from pathlib import Path

_SHARE = Path(__file__).parent.parent / "share"


def elements_dir() -> Path:
    """Return the directory of the elements that ship with nodepool-lite."""
    return (_SHARE / "elements").resolve()


def etc_dir() -> Path:
    """Return the directory of the example configurations."""
    return (_SHARE / "etc").resolve()


def scripts_dir() -> Path:
    """Return the directory of the ready-scripts that ship with nodepool-lite."""
    return etc_dir() / "scripts"
