"""`nodepool-lite completion`: completion for shells."""

import click
from click.shell_completion import get_completion_class

from nodepool_lite.cli.lazy import Exemplary

SHELLS = ("bash", "zsh", "fish")


@click.command(
    "completion",
    cls=Exemplary,
    short_help="Print what makes a shell complete commands and names.",
    examples={
        'eval "$(nodepool-lite completion bash)"': "in ~/.bashrc",
        'eval "$(nodepool-lite completion zsh)"': "in ~/.zshrc",
        "nodepool-lite completion fish > ~/.config/fish/completions/nodepool-lite.fish": "once",
    },
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print a script for SHELL. It completes commands, options, labels, nodes, leases and images."""
    name = "nodepool-lite"
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"this version of click has no completion for {shell}")
    script = found(ctx.find_root().command, {}, name, "_NODEPOOL_LITE_COMPLETE")
    click.echo(script.source_template % script.source_vars())
