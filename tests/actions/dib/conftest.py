"""Fixtures for image builds."""

from pathlib import Path

import pytest

from tests.actions.dib.workshop import Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """Give a place to build tiny images in."""
    return Workshop(tmp_path)
