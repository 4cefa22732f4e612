"""A whole simulated pool for the executors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nodepool_lite.config.settings import Label
from nodepool_lite.testing import LABEL, make_config
from tests.world import World

MakeWorld = Callable[..., World]


@pytest.fixture
def make_world(tmp_path: Path) -> MakeWorld:
    """Make a pool with one label: `label` are its settings, `config` the configuration's, the rest the cloud's."""

    def make(label: dict[str, Any] | None = None, config: dict[str, Any] | None = None, **options: Any) -> World:
        labels = (Label(name=LABEL, **({"min_ready": 1} | (label or {}))),)
        made = make_config(labels=labels, state_dir=tmp_path, **(config or {}))
        return World(made, tmp_path / "images", **options)

    return make
