"""What every mapping of the configuration has in common."""

import hashlib
from functools import cached_property
from typing import Any

from msgspec import json, to_builtins

from nodepool_lite.model.value import Frozen


def kebab(name: str) -> str:
    """Return the key as it is written in the file: `min_ready` is `min-ready`."""
    return name.replace("_", "-")


class Section(Frozen, dict=True):
    """A mapping of the file. Unknown keys are errors."""

    def plain(self) -> dict[str, Any]:
        """Return all settings in this section as JSON knows them."""
        found: dict[str, Any] = to_builtins(self, enc_hook=str)
        return found

    @cached_property
    def fingerprint(self) -> str:
        """A short hash of all settings in this section."""
        return hashlib.sha256(json.encode(self, enc_hook=str)).hexdigest()[:16]
