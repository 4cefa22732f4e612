"""The page about the commands is what the commands say of themselves."""

from pathlib import Path

import click
import pytest

from nodepool_lite.cli.lazy import Exemplary
from nodepool_lite.cli.main import SECTIONS, cli
from nodepool_lite.cli.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"
ARTICLE = {
    "dib-image-list",
    "image-list",
    "list",
    "image-build",
    "image-upload",
    "delete",
    "dib-image-delete",
    "image-delete",
}


def test_the_page_is_up_to_date() -> None:
    """If not: `python -m nodepool_lite.cli.reference docs/reference/cli.md`."""
    assert PAGE.read_text() == reference()


def test_the_old_commands_are_all_there() -> None:
    """Under the names that people know."""
    assert set(cli.list_commands(click.Context(cli))) >= ARTICLE


@pytest.mark.parametrize("name", [name for names in SECTIONS.values() for name in names])
def test_every_command_explains_itself(name: str) -> None:
    """A summary that fits beside its name, a description and an example, each example a line of ours."""
    command = cli.get_command(click.Context(cli), name)
    assert isinstance(command, Exemplary)
    assert command.name == name
    assert command.short_help
    assert len(command.short_help) <= 80
    assert command.help
    assert command.examples
    assert all("nodepool-lite" in line for line in command.examples)
    assert all(param.help for param in command.params if isinstance(param, click.Option))
