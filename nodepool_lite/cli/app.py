"""What every command works with: the configuration, the store, the time, and who is at the keyboard."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from nodepool_lite.cli.failures import note
from nodepool_lite.model.clock import Clock, SystemClock
from nodepool_lite.model.errors import ConfigError

if TYPE_CHECKING:
    from nodepool_lite.clouds.driver import Driver
    from nodepool_lite.config.settings import Config, Provider
    from nodepool_lite.store.base import Store


def _open(config: "Config", *, watch: bool) -> "Store":
    from nodepool_lite.store.open import open_store  # noqa: PLC0415 - only commands that need ZooKeeper pay for kazoo

    return open_store(config, watch=watch)


class App:
    """Made once per run from the options before the command; everything is found when it is first needed.

    `quiet` says that nobody reads what is good to know.
    """

    def __init__(
        self,
        config_option: Path | None = None,
        clock: Clock | None = None,
        open_store: "Callable[..., Store]" = _open,
        *,
        quiet: bool = False,
    ) -> None:
        self.config_option = config_option
        self.clock: Clock = clock or SystemClock()
        self.open_store = open_store
        self.quiet = quiet

    @cached_property
    def config_path(self) -> Path:
        """The configuration file; raises ConfigError when there is none."""
        from nodepool_lite.config.source import find  # noqa: PLC0415 - `--help` needs no configuration

        return find(self.config_option, os.environ)

    @cached_property
    def config(self) -> "Config":
        """The settings, or those that the daemon goes on with while the file has errors.

        Raises:
            ConfigError: neither can be had; with all that is wrong with the file.
        """
        from nodepool_lite.config.accepted import meant, recall  # noqa: PLC0415 - `--help` needs no configuration

        found = meant(self.config_path, os.environ)
        if found is not None:
            return found
        try:
            return self.config_of_file
        except ConfigError:
            before = recall(self.config_path, os.environ) if self.config_path.is_file() else None
            if before is None:
                raise
            if not self.quiet:
                note(
                    f"{self.config_path} has errors (see `nodepool-lite config check`); "
                    "going on with what the daemon accepted last"
                )
            return before

    @cached_property
    def config_of_file(self) -> "Config":
        """The settings that the file says; raises ConfigError with all that is wrong with them."""
        from nodepool_lite.config.load import load_or_raise  # noqa: PLC0415 - `--help` needs no configuration

        return load_or_raise(self.config_path, os.environ)

    @property
    def who(self) -> str:
        """The login name of the user."""
        from nodepool_lite.service.names import login_name  # noqa: PLC0415 - most lists do not ask

        return login_name(os.environ)

    def driver(self, provider: "Provider", pool_id: str) -> "Driver":
        """Return a driver for a provider that sees only what carries `pool_id`; raises CloudError."""
        from nodepool_lite.clouds.registry import open_driver  # noqa: PLC0415 - drivers are not for `--help`

        directory = self.config_path.absolute().parent
        return open_driver(provider, config=self.config, pool_id=pool_id, clock=self.clock, directory=directory)

    @contextmanager
    def store(self, *, watch: bool = False) -> "Iterator[Store]":
        """Give the store, closed at the end; raises StoreUnavailableError within 5 seconds."""
        store = self.open_store(self.config, watch=watch)
        try:
            yield store
        finally:
            store.close()
