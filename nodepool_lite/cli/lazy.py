"""Commands that show examples, and a group of them that are imported when they are used, to start fast."""

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from nodepool_lite.cli import failures


class Exemplary(click.Command):
    """A command whose help ends with examples: command line -> what it does."""

    def __init__(self, *args: Any, examples: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the examples, each above what it does."""
        with formatter.section("Examples"):
            for line, what in self.examples.items():
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")
                with formatter.indentation():
                    formatter.write_text(what)


class ExemplaryGroup(Exemplary, click.Group):
    """A group with examples."""


class LazyGroup(ExemplaryGroup):
    """Commands by section: section title -> command name -> module that has it as `command`."""

    def __init__(self, *args: Any, sections: Mapping[str, Mapping[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sections = sections
        self._modules = {name: module for section in sections.values() for name, module in section.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands."""
        return list(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        """Return the command of that name, imported now."""
        if cmd_name not in self._modules:
            return None
        found: click.Command = import_module(self._modules[cmd_name]).command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments ask for; an unknown one is answered with the nearest known."""
        name = args[0] if args else ""
        if name not in self._modules and not name.startswith("-") and not ctx.resilient_parsing:
            from nodepool_lite.config.problem import nearest  # noqa: PLC0415 - only a slip pays for this import

            near = nearest(name, self._modules)
            ctx.fail(f"no such command: {name}" + (f"; did you mean `{near}`?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, section by section."""
        for title, names in self._sections.items():
            with formatter.section(title):
                formatter.write_dl([(name, self._summary(ctx, name)) for name in names])

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run; every failure becomes one line on stderr and an exit status."""
        kwargs["standalone_mode"] = False
        sys.exit(failures.status_of(lambda: super(LazyGroup, self).main(*args, **kwargs)))

    def _summary(self, ctx: click.Context, name: str) -> str:
        command = self.get_command(ctx, name)
        return "" if command is None else command.get_short_help_str(limit=90)
