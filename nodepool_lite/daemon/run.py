"""`nodepool-lite run`: from the command line to a loop that wakes, plans and acts, and back to a clean end."""

import os
import signal
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from nodepool_lite.access.keys import ca_key, pool_key, public_key_file, signs_for
from nodepool_lite.actions.context import Context
from nodepool_lite.actions.dib.run import run_build
from nodepool_lite.actions.dib.sweep import sweep
from nodepool_lite.actions.reach import SshReach
from nodepool_lite.actions.sightings import Sightings
from nodepool_lite.actions.teardown import pool_id_file
from nodepool_lite.config.settings import Config, Diskimage
from nodepool_lite.daemon import logs
from nodepool_lite.daemon.engine import Engine
from nodepool_lite.daemon.leadership import Leadership, candidacies
from nodepool_lite.daemon.live import LiveConfig
from nodepool_lite.daemon.loop import Loop
from nodepool_lite.daemon.membership import Membership
from nodepool_lite.daemon.notify import Notifier
from nodepool_lite.daemon.workers import ThreadWorkers
from nodepool_lite.model.clock import SystemClock
from nodepool_lite.model.errors import StoreConflictError, StoreUnavailableError
from nodepool_lite.model.pool import Pool
from nodepool_lite.store.base import Store
from nodepool_lite.store.embedded import EmbeddedZooKeeper
from nodepool_lite.store.open import access, hosts, session_timeout
from nodepool_lite.store.zookeeper import ZooKeeperStore

ROLES = frozenset({"launcher", "builder"})
WORKERS = 16
"""Short actions carried out at the same time: creates, deletes, logins, lists."""
STOP_WITHIN = 4.5
"""Seconds from the signal until the process ends in any case; what still hangs is left as a crash would leave it."""
STOP_TIMEOUT = 3.0
"""Seconds of these for actions that are under way; the rest is for the store, and for a ZooKeeper of our own."""


def run(
    config_path: Path,
    roles: frozenset[str] = ROLES,
    *,
    log_format: Literal["console", "json"] = "console",
    log_level: str = "info",
) -> int:
    """Play the roles until SIGTERM or SIGINT; return the exit status.

    Raises:
        ConfigError: the configuration cannot be used (exit status 78).
        NodepoolError: something else that must be there is not; the message says what to do.
    """
    log = logs.setup(log_format, log_level)
    clock = SystemClock()
    notifier = Notifier()
    live = LiveConfig(config_path, clock, log, builder="builder" in roles)
    config = live.start()
    loop = Loop(clock, notifier, log)
    with ExitStack() as stack:
        stack.enter_context(_signals(loop))
        stack.callback(live.close)  # after the store: what is sent away then is not recorded as a failure of the cloud
        store = _store(stack, config, log)
        if not _connected(store, loop, config, log):
            return 0
        member = Membership(store, roles, live, host=socket.gethostname(), pid=os.getpid(), started=clock.now())
        pool = _pool(store, config, clock.now())
        pool_id_file(config.state_dir).write_text(f"{pool.pool_id}\n")
        live.open(pool.pool_id)
        ctx = _context(store, clock, live, log, pool)
        if "builder" in roles:
            for swept in sweep(config.state_dir / "builds", config.images_dir):
                log.warning("build.leftover", removed=swept)
        workers = ThreadWorkers(WORKERS, loop.wake)
        leadership = Leadership(store, member.id, lambda: candidacies(roles, live.config()))
        engine = Engine(ctx, leadership, workers, live.facts)
        stack.enter_context(store.subscribe(loop.wake))
        log.info("daemon.ready", roles=sorted(roles), pool=pool.pool_id, config=str(config_path))
        loop.run(engine, live, member, store)
        notifier.stopping()
        log.info("daemon.stopping")
        ctx.stop.set()
        leadership.resign()
        workers.close(STOP_TIMEOUT)
    log.info("daemon.stopped")
    return 0


def _store(stack: ExitStack, config: Config, log: Any) -> ZooKeeperStore:
    if config.zookeeper_servers:
        address = hosts(config)
    else:
        server = EmbeddedZooKeeper(config.state_dir)
        address = server.start()
        stack.callback(server.stop)
        log.info("zookeeper.embedded", address=address.partition("?")[0])
    store = ZooKeeperStore(address, access=access(config), session_timeout=session_timeout(config))
    stack.callback(store.close)
    store.start()
    return store


def _connected(store: ZooKeeperStore, loop: Loop, config: Config, log: Any) -> bool:
    """Wait for ZooKeeper, and for a pool in it that can be understood; return False when the end came first.

    Raises:
        StoreUnavailableError: it refuses us for something that only a person can mend.
    """
    log.info("store.connecting")
    if not loop.wait_for(lambda: store.connected or bool(store.problem), store):
        return False
    if store.problem:
        raise StoreUnavailableError(store.problem)
    if config.zookeeper_auth and (sealed := store.seal()):
        log.warning("store.sealed", znodes=sealed, reason="they were for everybody, and are for the pool alone now")
    if not _is_understood(store):
        log.error("pool.unreadable", record="pool/self", reason=store.snapshot().garbage["pool/self"])
    return loop.wait_for(lambda: _is_understood(store), store, "the record pool/self, which cannot be read")


def _is_understood(store: Store) -> bool:
    """Tell whether the pool's own record is readable, or was not made yet: without its id nothing is ours."""
    return store.connected and "self" not in store.snapshot().unreadable(Pool)


def _pool(store: Store, config: Config, now: float) -> Pool:
    """Return the pool's own record, made at the very first start."""
    known = store.snapshot().pool.get("self")
    if known is not None:
        return known
    ca = ca_key(config.state_dir)
    try:
        return store.create(Pool(id="self", pool_id=uuid.uuid4().hex[:12], created=now, ca_public_key=ca.public))
    except StoreConflictError:
        return store.read(Pool).pool["self"]


def _context(store: Store, clock: SystemClock, live: LiveConfig, log: Any, pool: Pool) -> Context:
    config = live.config()
    key = pool_key(config)
    stop = threading.Event()
    if not signs_for(config.state_dir, pool.ca_public_key):
        log.warning("pool.no-ca", reason="this host cannot sign certificates: it lacks the pool's own ssh/user_ca")
    public_key = public_key_file(config.state_dir, key)

    def build_environment(diskimage: Diskimage) -> dict[str, str]:
        return {"NODEPOOL_USERNAME": diskimage.username, "NODEPOOL_PUBLIC_KEY_FILE": str(public_key)}

    return Context(
        store=store,
        clock=clock,
        config=live.config,
        drivers=lambda: live.drivers,
        sightings=Sightings(),
        ssh=SshReach(live.config, key, pool.ca_public_key, clock),
        environment={key: value for key, value in os.environ.items() if key.startswith("NODEPOOL_")},
        log=log,
        pool_id=pool.pool_id,
        host=socket.gethostname(),
        recipes=lambda: live.facts().recipes,
        formats=lambda: live.facts().image_formats,
        build=lambda recipe, on_phase: run_build(recipe, on_phase=on_phase, stop=stop, clock=clock),
        build_environment=build_environment,
        stop=stop,
    )


@contextmanager
def _signals(loop: Loop) -> Iterator[None]:
    """SIGTERM and SIGINT end the loop, and soon the process; SIGHUP makes it read the configuration again."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        if not any(signal.getitimer(signal.ITIMER_REAL)):
            signal.setitimer(signal.ITIMER_REAL, STOP_WITHIN)  # no thread, which a handler must not start
        loop.stop()

    def reload(_number: int, _frame: FrameType | None) -> None:
        loop.reload()

    before = {
        signal.SIGALRM: signal.signal(signal.SIGALRM, _cut_short),
        signal.SIGTERM: signal.signal(signal.SIGTERM, stop),
        signal.SIGINT: signal.signal(signal.SIGINT, stop),
        signal.SIGHUP: signal.signal(signal.SIGHUP, reload),
    }
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _cut_short(_number: int, _frame: FrameType | None) -> None:
    """End the process at once; the log is not used, since whoever was interrupted may hold its lock."""
    os.write(
        2, f"not all had ended {STOP_WITHIN:g} s after the signal to stop; what is left is taken up again\n".encode()
    )
    os._exit(0)
