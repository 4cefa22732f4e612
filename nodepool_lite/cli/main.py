"""`nodepool-lite`: the commands, and what is said before them."""

import atexit
import gc
import logging
import sys
from io import TextIOWrapper
from pathlib import Path

import click

from nodepool_lite import __version__
from nodepool_lite.cli.app import App
from nodepool_lite.cli.lazy import LazyGroup

_IN = "nodepool_lite.cli.commands"
SECTIONS = {
    "Take a machine": {
        "grab": f"{_IN}.grab",
        "ssh": f"{_IN}.ssh",
        "release": f"{_IN}.release",
        "extend": f"{_IN}.extend",
        "leases": f"{_IN}.leases",
        "test-day": f"{_IN}.test_day",
    },
    "See what there is": {
        "status": f"{_IN}.status",
        "progress": f"{_IN}.progress",
        "list": f"{_IN}.list",
        "show": f"{_IN}.show",
        "logs": f"{_IN}.logs",
        "label-list": f"{_IN}.label_list",
        "provider-list": f"{_IN}.provider_list",
        "alien-list": f"{_IN}.alien_list",
    },
    "Look after nodes": {
        "delete": f"{_IN}.delete",
        "hold": f"{_IN}.hold",
        "unhold": f"{_IN}.unhold",
    },
    "Look after images": {
        "dib-image-list": f"{_IN}.dib_image_list",
        "image-list": f"{_IN}.image_list",
        "image-build": f"{_IN}.image_build",
        "image-upload": f"{_IN}.image_upload",
        "image-log": f"{_IN}.image_log",
        "dib-image-delete": f"{_IN}.dib_image_delete",
        "image-delete": f"{_IN}.image_delete",
    },
    "Run the pool": {
        "run": f"{_IN}.run",
        "config": f"{_IN}.config",
        "doctor": f"{_IN}.doctor",
        "stop-host": f"{_IN}.stop_host",
        "completion": f"{_IN}.completion",
    },
}


@click.group(
    cls=LazyGroup,
    sections=SECTIONS,
    examples={
        "nodepool-lite ssh debian-12": "be inside a machine that nobody used before",
        "nodepool-lite status": "how the pool stands, on one page",
        "nodepool-lite list --watch": "see nodes come and go",
    },
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    subcommand_metavar="COMMAND ...",
)
@click.option(
    "-c",
    "--config",
    "config_option",
    type=click.Path(path_type=Path),
    help="The configuration file. Without it: $NODEPOOL_LITE_CONFIG, /etc/nodepool-lite/nodepool.yaml, "
    "/etc/nodepool/nodepool.yaml.",
)
@click.version_option(__version__, message="nodepool-lite %(version)s")
@click.pass_context
def cli(ctx: click.Context, config_option: Path | None) -> None:
    """A pool of pristine test machines that are already waiting.

    Exit status: 0 done, 1 failed, 2 wrong usage, 3 no such thing, 4 timed out waiting, 69 ZooKeeper cannot be
    reached, 78 the configuration cannot be used.
    """
    ctx.obj = ctx.obj or App(config_option)


def main() -> None:
    """Run the command line."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # a file's name may be any bytes
    logging.getLogger("nodepool_lite").addHandler(logging.NullHandler())  # a command says what it has to say itself
    gc.set_threshold(50_000)  # there is no garbage in imports, and looking for it takes time
    atexit.register(gc.freeze)  # nor is it worth looking for at the end, when all goes at once
    cli(prog_name="nodepool-lite")
