"""`nodepool-lite config`: the configuration, looked at without running anything."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nodepool_lite.cli.app import App
from nodepool_lite.cli.failures import note
from nodepool_lite.cli.formats import to_json
from nodepool_lite.cli.lazy import Exemplary, ExemplaryGroup
from nodepool_lite.model.errors import CloudError

if TYPE_CHECKING:
    from nodepool_lite.config.settings import Config

BAD = 78
FILE = click.argument("file", required=False, type=click.Path(path_type=Path))


@click.group(
    "config",
    cls=ExemplaryGroup,
    short_help="Check, show and convert the configuration.",
    examples={"nodepool-lite config check nodepool.yaml": "all that is wrong with a file, at once"},
)
def command() -> None:
    """Look at nodepool.yaml. FILE is, if not given, the one that the other commands would use."""


@command.command(
    "check",
    cls=Exemplary,
    short_help="Tell every problem of a file at once.",
    examples={
        "nodepool-lite config check": "exit status 0 when it can be used, else 78",
        "nodepool-lite config check --live": "ask the clouds, too, for what it names there",
    },
)
@FILE
@click.option("--live", is_flag=True, help="Ask every provider for the networks, flavors and so on that are named.")
@click.pass_obj
def check(app: App, file: Path | None, *, live: bool) -> int:
    """Print all errors, warnings and notices as FILE:LINE:COLUMN, and exit with 78 if there are errors."""
    from nodepool_lite.config.load import load  # noqa: PLC0415 - `--help` needs no configuration

    path = file or app.config_path
    loaded = load(path, os.environ)
    for problem in loaded.problems:
        click.echo(str(problem))
    if loaded.config is None:
        note(f"{path} cannot be used")
        return BAD
    problems = list(_problems(app, loaded.config, path)) if live else []
    for sentence in problems:
        click.echo(sentence)
    if problems:
        note(f"{path}: not everything that it names can be used at the moment, see above")
        return BAD
    empty = not loaded.config.labels and not loaded.config.diskimages
    note(f"{path} can be used{', but has neither labels nor diskimages: nothing would be made' if empty else ''}")
    return 0


def _problems(app: App, config: "Config", path: Path) -> Iterator[str]:
    """Yield what keeps each provider from working at the moment."""
    from nodepool_lite.clouds.registry import open_driver  # noqa: PLC0415 - drivers are not for `--help`

    directory = path.absolute().parent
    for provider in config.providers:
        where = f"{path}: error: provider {provider.name}"
        try:
            driver = open_driver(provider, config=config, pool_id="check", clock=app.clock, directory=directory)
        except CloudError as error:
            yield f"{where}: {error}"
            continue
        yield from (f"{where}: {sentence}" for sentence in driver.problems())
        driver.close()


@command.command(
    "show",
    cls=Exemplary,
    short_help="Print the effective configuration, with all defaults.",
    examples={"nodepool-lite config show": "as a file in the native dialect"},
)
@FILE
@click.option("--secrets", is_flag=True, help="Do not mask the values of secret-looking env-vars.")
@click.pass_obj
def show(app: App, file: Path | None, *, secrets: bool) -> None:
    """Print the settings that result from FILE, with every default filled in."""
    from nodepool_lite.config import show as shown  # noqa: PLC0415 - the same
    from nodepool_lite.config.load import load_or_raise  # noqa: PLC0415

    config = app.config_of_file if file is None else load_or_raise(file, os.environ)
    click.echo(shown.show(config, masked=not secrets), nl=False)


@command.command(
    "convert",
    cls=Exemplary,
    short_help="Translate a file of the old dialect.",
    examples={"nodepool-lite config convert old.yaml > nodepool.yaml": "what was left out stands in comments"},
)
@click.argument("old", type=click.Path(path_type=Path))
def convert(old: Path) -> None:
    """Print OLD in the native dialect."""
    from nodepool_lite.config import convert as converter  # noqa: PLC0415 - the same

    click.echo(converter.convert(old), nl=False)


@command.command(
    "schema",
    cls=Exemplary,
    short_help="Print the JSON schema of nodepool.yaml, for editors.",
    examples={"nodepool-lite config schema > nodepool.schema.json": "then name it in your editor's settings"},
)
def schema() -> None:
    """Print a JSON schema (draft 2020-12)."""
    from nodepool_lite.config.schema import json_schema  # noqa: PLC0415 - the same

    click.echo(to_json(json_schema()), nl=False)
