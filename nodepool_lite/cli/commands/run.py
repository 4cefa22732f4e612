"""`nodepool-lite run`: the daemon."""

import gc

import click

from nodepool_lite.cli.app import App
from nodepool_lite.cli.lazy import Exemplary
from nodepool_lite.model.errors import NodepoolError

ALL = ("launcher", "builder")


@click.command(
    "run",
    cls=Exemplary,
    short_help="Run the pool: builder, launcher, or both in one.",
    examples={
        "nodepool-lite run": "both roles, in the foreground",
        "nodepool-lite run --role builder --log-format json": "only build images, and log for machines",
    },
)
@click.option(
    "--role",
    "roles",
    type=click.Choice([*ALL, "all"]),
    multiple=True,
    default=("all",),
    show_default=True,
    help="What this process does; repeatable.",
)
@click.option(
    "--log-format",
    type=click.Choice(["console", "json"]),
    default="console",
    show_default=True,
    help="Lines for people, or one JSON object per event.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="What is worth logging.",
)
@click.pass_obj
def command(app: App, roles: tuple[str, ...], log_format: str, log_level: str) -> int:
    """Run until SIGTERM or SIGINT. SIGHUP, or a change of the file, reloads the configuration."""
    from nodepool_lite.daemon.run import run  # noqa: PLC0415 - the daemon's libraries are for the daemon

    gc.set_threshold(700, 10, 10)  # Python's own: what lives long collects as usual
    chosen = frozenset(ALL) if "all" in roles else frozenset(roles)
    try:
        return run(
            app.config_path,
            chosen,
            log_format="json" if log_format == "json" else "console",
            log_level=log_level,
        )
    except OSError as error:
        raise NodepoolError(
            f"{error.filename or app.config.state_dir}: {error.strerror or error}; the daemon keeps its state in "
            f"{app.config.state_dir}: make room and access there for its user, or name another `state-dir`"
        ) from error
