"""Looking at this host the way a doctor would: each part is tried, not guessed at."""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from nodepool_lite.cli import layout
from nodepool_lite.cli.app import App
from nodepool_lite.config.settings import Config
from nodepool_lite.model.errors import CloudError, ConfigError, StoreUnavailableError
from nodepool_lite.store.base import Snapshot

PYTHON = (3, 11)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `note` is worth knowing; `missing` keeps the pool from working."""

    mark: Literal["ok", "note", "missing"]
    about: str
    sentence: str


def examine(app: App) -> Iterator[Finding]:
    """Yield what was found, the most basic first."""
    yield Finding("ok", "python", f"{sys.version.split()[0]} at {sys.executable}")
    yield _ssh()
    try:
        config = app.config_of_file
    except ConfigError as error:
        yield Finding("missing", "config", str(error))
        yield from _image_tools()
        return
    yield Finding("ok", "config", f"{app.config_path} can be used")
    yield from _zookeeper(app, config)
    yield from _image_tools()
    yield from _disk(config)
    yield from _permissions(config)
    yield from _providers(app, config)


def _ssh() -> Finding:
    found = shutil.which("ssh")
    if found:
        return Finding("ok", "ssh", found)
    return Finding("missing", "ssh", "install openssh-client (Debian) or openssh-clients (CentOS)")


def _zookeeper(app: App, config: Config) -> Iterator[Finding]:
    from nodepool_lite.store.open import hosts  # noqa: PLC0415 - kazoo is slow to import
    from nodepool_lite.store.zookeeper import ZooKeeperStore  # noqa: PLC0415 - the same

    try:
        with app.store() as store:
            yield Finding("ok", "zookeeper", f"answers at {hosts(config).partition('?')[0]}{_way(config)}")
            if config.zookeeper_auth and isinstance(store, ZooKeeperStore) and not store.sealed:
                yield Finding("note", "zookeeper", "records are still for everybody: restart the daemons to close them")
            yield from _records(store.read())
            return
    except (StoreUnavailableError, ConfigError) as error:
        if config.zookeeper_servers:
            yield Finding("missing", "zookeeper", str(error))
            return
    yield _embedded()


def _records(records: Snapshot) -> Iterator[Finding]:
    from nodepool_lite.service.names import unreadable_hint  # noqa: PLC0415 - only with a pool

    for path, why in sorted(records.garbage.items()):
        sentence = layout.one_line(f"the record {path} cannot be read: {why}; {unreadable_hint(path, records)}")
        yield Finding("missing", "records", sentence)


def _way(config: Config) -> str:
    """Return how ZooKeeper is talked to, as the end of a sentence."""
    if not config.zookeeper_servers:
        return ""
    tls, auth = config.zookeeper_tls, config.zookeeper_auth
    encrypted = "encrypted" if tls else "not encrypted"
    return f", {encrypted}, " + (f"as {auth.scheme} user {auth.username}" if auth else "records are for everybody")


def _embedded() -> Finding:
    from nodepool_lite.store._java import command  # noqa: PLC0415 - only when ZooKeeper does not answer

    try:
        with TemporaryDirectory(prefix="nodepool-lite-doctor-") as directory:
            command(Path(directory) / "zoo.cfg")
    except StoreUnavailableError as error:
        return Finding("missing", "zookeeper", str(error))
    return Finding("note", "zookeeper", "installed, not running: `nodepool-lite run` starts its own")


def _image_tools() -> Iterator[Finding]:
    from nodepool_lite.actions.dib.host import missing_tools  # noqa: PLC0415 - only here

    missing = missing_tools()
    for sentence in missing:
        yield Finding("missing", "image tools", sentence)
    if not missing:
        yield Finding("ok", "image tools", "disk-image-create has all that it needs")


def _disk(config: Config) -> Iterator[Finding]:
    from nodepool_lite.actions.dib.host import disk_problem  # noqa: PLC0415 - only here

    problem = disk_problem(_existing(config.images_dir), config.build_min_free)
    free = shutil.disk_usage(_existing(config.images_dir)).free / 2**30
    yield Finding("missing", "disk", problem) if problem else Finding("ok", "disk", f"{free:.1f} GiB free for images")


def _permissions(config: Config) -> Iterator[Finding]:
    for about, path in (("state-dir", config.state_dir), ("images-dir", config.images_dir)):
        place = _existing(path)
        if os.access(place, os.W_OK | os.X_OK):
            yield Finding("ok", about, str(path))
        else:
            yield Finding("missing", about, f"{place} cannot be written by user {os.geteuid()}: sudo, or chown it")


def _providers(app: App, config: Config) -> Iterator[Finding]:
    for provider in config.providers:
        try:
            driver = app.driver(provider, "doctor")
            problems = driver.problems()
            driver.close()
        except CloudError as error:
            problems = [str(error)]
        for sentence in problems:
            yield Finding("missing", provider.name, sentence)
        if not problems:
            yield Finding("ok", provider.name, f"driver {provider.driver} can work")
        if provider.driver == "qemu" and not problems:
            yield _acceleration(provider.name)


def _acceleration(provider: str) -> Finding:
    from nodepool_lite.clouds.qemu import accel, programs  # noqa: PLC0415 - only with this driver

    answer = accel.probe(programs.find(programs.QEMU))
    if answer.works:
        return Finding("ok", provider, f"KVM works: {answer.reason}")
    return Finding("note", provider, f"KVM does not work, machines will be slow (TCG): {answer.reason}")


def _existing(path: Path) -> Path:
    """Return the nearest directory on the way to a path that exists, as far as this user may look."""
    while not os.path.exists(path):  # noqa: PTH110 - Path.exists raises where this user may not look
        path = path.parent
    return path
