"""Taking nodes on behalf of a command: at once if possible, else waiting with a word on stderr about how it stands."""

from pathlib import Path

from nodepool_lite.cli.app import App
from nodepool_lite.cli.failures import note
from nodepool_lite.model.errors import NodepoolError, WaitTimeoutError
from nodepool_lite.model.lease import Lease
from nodepool_lite.model.node import Node
from nodepool_lite.service.grab import Wish, grab, grab_now
from nodepool_lite.store.base import Snapshot


def take(app: App, wish: Wish, *, no_wait: bool) -> tuple[Lease, Snapshot]:
    """Return the active lease and the records of its nodes.

    Raises:
        WaitTimeoutError: nothing came in time, or with `no_wait` nothing was there.
    """
    with app.store() as store:
        lease = grab_now(store, app.config, app.clock, wish)
        if lease is not None:
            return lease, Snapshot(nodes=store.look_up(Node, lease.nodes))
    if no_wait:
        raise WaitTimeoutError(
            f"{wish.label}: {'no node is' if wish.count == 1 else f'{wish.count} nodes are not'} free at the moment"
        )
    with app.store(watch=True) as store:
        lease = grab(store, app.config, app.clock, wish, note)
        return lease, store.snapshot()


def read_public_key(path: Path) -> str:
    """Return what the file of a public key holds; raises NodepoolError."""
    try:
        return path.read_text()
    except OSError as error:
        raise NodepoolError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise NodepoolError(f"{path}: this is no public key; give the file whose name ends in .pub") from None
