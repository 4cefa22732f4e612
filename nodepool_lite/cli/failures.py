"""What a user sees when something goes wrong: one line and an exit status, never a traceback."""

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

import click

from nodepool_lite.model.errors import NodepoolError, StoreUnavailableError

DEBUG = "NODEPOOL_LITE_DEBUG"
INTERRUPTED = 130
BROKEN_PIPE = 141
"""As if SIGPIPE had ended us."""


def status_of(command: Callable[[], object]) -> int:
    """Run a command and return its exit status, having told on stderr what went wrong."""
    try:
        status = _status_of(command)
        sys.stdout.flush()
    except BrokenPipeError:
        _close_stdout()
        return BROKEN_PIPE
    return status


def tell(error: object) -> None:
    """Print an error on stderr."""
    click.echo(f"nodepool-lite: error: {error}", err=True)


def note(words: str) -> None:
    """Print something that is good to know on stderr."""
    click.echo(f"nodepool-lite: {words}", err=True)


def for_each(names: Iterable[str], act: Callable[[str], None]) -> None:
    """Act on every name, whatever becomes of the others; each failure is told at once.

    Leaves with status 1 when some failed, and with their own status when all did and agree on it.
    """
    statuses = [_one(name, act) for name in names]
    failed = {status for status in statuses if status}
    if failed:
        raise click.exceptions.Exit(failed.pop() if len(failed) == 1 and all(statuses) else 1)


@contextmanager
def signals_raise() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the stack like Ctrl-C does, so that what was begun is put in order."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _one(name: str, act: Callable[[str], None]) -> int:
    try:
        act(name)
    except StoreUnavailableError:
        raise
    except NodepoolError as error:
        tell(error)
        return error.exit_status
    return 0


def _status_of(command: Callable[[], object]) -> int:
    try:
        result = command()
    except BrokenPipeError:
        raise
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except (click.exceptions.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except (NodepoolError, click.ClickException) as error:
        return _told(error)
    except OSError as error:
        tell(f"{error.filename}: {error.strerror}" if error.filename else error)
        return 1
    except Exception as error:  # the edge: whatever it is, a user gets one line
        if os.environ.get(DEBUG):
            raise
        tell(f"unexpected {type(error).__name__}: {error} (this is a bug; {DEBUG}=1 shows where)")
        return 1
    return result if isinstance(result, int) else 0


def _told(error: NodepoolError | click.ClickException) -> int:
    if isinstance(error, NodepoolError):
        tell(error)
        return error.exit_status
    if isinstance(error, click.UsageError):
        where = error.ctx.command_path if error.ctx else "nodepool-lite"
        tell(f"{error.format_message()} (see `{where} --help`)")
    else:
        tell(error.format_message())
    return error.exit_code


def _close_stdout() -> None:
    """Nobody reads any more: have Python's own flush at exit succeed."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
