"""docs/reference/cli.md, written from the commands themselves: `python -m nodepool_lite.cli.reference FILE`."""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from nodepool_lite.cli.lazy import Exemplary
from nodepool_lite.cli.main import SECTIONS, cli

HEAD = """\
# The commands

Written by `python -m nodepool_lite.cli.reference docs/reference/cli.md`; do not edit.
"""


def reference() -> str:
    """Return the page."""
    top = click.Context(cli, info_name="nodepool-lite")
    parts = [HEAD, "\n".join(_body(top, cli))]
    for title, names in SECTIONS.items():
        parts.append(f"## {title}\n")
        for name in names:
            command = cli.get_command(top, name)
            if command is not None:
                parts += _pages(click.Context(command, info_name=name, parent=top), command)
    return "\n".join(parts).rstrip() + "\n"


def _pages(ctx: click.Context, command: click.Command) -> Iterator[str]:
    yield f"### {ctx.command_path.removeprefix('nodepool-lite ')}\n"
    yield "\n".join(_body(ctx, command))
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from _pages(click.Context(each, info_name=name, parent=ctx), each)


def _body(ctx: click.Context, command: click.Command) -> Iterator[str]:
    yield f"    {ctx.command_path} {' '.join(command.collect_usage_pieces(ctx))}\n"
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        yield f"{' '.join(paragraph.split())}\n"
    own = (each for each in command.params if isinstance(each, click.Option))
    options = [record for each in own if (record := each.get_help_record(ctx)) is not None]
    if options:
        yield "| option | |\n|---|---|"
        yield from (f"| `{_cell(names)}` | {_cell(said)} |" for names, said in options)
        yield ""
    if isinstance(command, Exemplary):
        yield "```console"
        width = max(map(len, command.examples))
        yield from (f"$ {line:{width}}   # {what}" for line, what in command.examples.items())
        yield "```\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference())
