"""The configuration in use and what hangs on it: drivers, script digests, recipes. A reload is all or nothing."""

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nodepool_lite.actions.dib.host import disk_problem
from nodepool_lite.actions.dib.recipe import fingerprint
from nodepool_lite.clouds.driver import Driver
from nodepool_lite.clouds.registry import open_driver
from nodepool_lite.config import accepted
from nodepool_lite.config.load import Loaded
from nodepool_lite.config.problem import Severity
from nodepool_lite.config.scripts import label_digest
from nodepool_lite.config.settings import Config
from nodepool_lite.config.shipped import elements_dir
from nodepool_lite.config.watch import ConfigFile
from nodepool_lite.daemon.engine import Facts
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.errors import CloudError, ConfigError


class LiveConfig:
    """Reloaded by the loop's thread; read by all. Drivers whose settings did not change are kept."""

    def __init__(self, path: Path, clock: Clock, log: Any, *, builder: bool = True) -> None:
        self.file = ConfigFile(path, os.environ)
        self.error = ""
        """Why the file on disk is not in use; empty when it is."""
        self.digest = ""
        self._clock = clock
        self._log = log
        self._builder = builder
        """Whether recipes concern this process: a launcher need not have, nor be able to read, the elements."""
        self._lock = threading.Lock()
        self._config: Config | None = None
        self._drivers: dict[str, Driver] = {}
        self._opened: dict[str, str] = {}
        self._unusable: dict[str, str] = {}
        """Provider name -> why its driver could not be opened."""
        self._facts = Facts()
        self._pool_id = ""

    def start(self) -> Config:
        """Load the file for the first time; raises ConfigError with every problem."""
        loaded = self.file.load()
        if loaded.config is None:
            raise ConfigError(_text(loaded))
        self._note(loaded)
        self._config = loaded.config
        self.digest = loaded.digest
        self._keep(loaded.config, loaded.digest)
        return loaded.config

    def config(self) -> Config:
        """Return the configuration in use."""
        if self._config is None:
            raise ConfigError("the configuration has not been loaded yet")
        return self._config

    def open(self, pool_id: str) -> None:
        """Open the drivers, now that the pool's id is known."""
        self._pool_id = pool_id
        self._rebuild()

    def reload(self) -> bool:
        """Read the file again; a bad one changes nothing and is said once. Returns whether a new one is in use."""
        loaded = self.file.load()
        if loaded.config is None:
            error = _text(loaded)
            if error != self.error:
                self._log.error("config.refused", problems=error)
            self.error = error
            return False
        self.error = ""
        self._note(loaded)
        self._config = loaded.config
        self.digest = loaded.digest
        self._keep(loaded.config, loaded.digest)
        self._rebuild()
        self._log.info("config.loaded", file=str(self.file.path), digest=self.digest[:12])
        return True

    @property
    def drivers(self) -> Mapping[str, Driver]:
        """The open drivers by provider name."""
        return self._drivers

    def facts(self) -> Facts:
        """Return what this host knows about scripts, recipes and formats."""
        return self._facts

    def notice(self) -> str:
        """Return what keeps this process from its work at the moment: unusable providers, a full disk."""
        obstacle = self._facts.build_obstacle()
        return "; ".join([*self._unusable.values(), *([f"no image is built: {obstacle}"] if obstacle else [])])

    def close(self) -> None:
        """Give back the drivers' connections."""
        for driver in self._drivers.values():
            driver.close()

    def _keep(self, config: Config, digest: str) -> None:
        """Keep a copy for the commands; one that cannot be kept only makes them need a good file."""
        try:
            accepted.keep(self.file.path, config, digest)
        except OSError as error:
            self._log.debug("config.uncopied", reason=str(error))

    def _rebuild(self) -> None:
        config = self.config()
        with self._lock:
            before, self._drivers = self._drivers, self._reopened(config)
            for name, driver in before.items():
                if self._drivers.get(name) is not driver:
                    driver.close()
        self._facts = Facts(
            script_digests={label.name: label_digest(config, label) for label in config.labels},
            builder=self._builder,
            recipes=_recipes(config) if self._builder else {},
            image_formats={name: tuple(driver.image_formats) for name, driver in self._drivers.items()},
            build_obstacle=lambda: self._obstacle(config),
        )

    def _obstacle(self, config: Config) -> str:
        return (disk_problem(config.images_dir, config.build_min_free) or "") if self._builder else ""

    def _reopened(self, config: Config) -> dict[str, Driver]:
        drivers: dict[str, Driver] = {}
        self._unusable = {}
        for provider in config.providers:
            mark = f"{config.state_dir}:{provider.fingerprint}"
            if self._opened.get(provider.name) == mark and provider.name in self._drivers:
                drivers[provider.name] = self._drivers[provider.name]
                continue
            try:
                drivers[provider.name] = open_driver(
                    provider,
                    config=config,
                    pool_id=self._pool_id,
                    clock=self._clock,
                    directory=self.file.path.absolute().parent,
                )
                self._opened[provider.name] = mark
            except CloudError as error:
                self._unusable[provider.name] = f"provider {provider.name}: {error}"
                self._log.error("provider.unusable", provider=provider.name, reason=str(error))
        return drivers

    def _note(self, loaded: Loaded) -> None:
        for problem in loaded.problems:
            tell = self._log.info if problem.severity is Severity.NOTICE else self._log.warning
            tell("config.notice", problem=str(problem))


def _recipes(config: Config) -> Mapping[str, str]:
    path = (*config.elements_dir, elements_dir())
    return {image.name: fingerprint(image, path) for image in config.diskimages if not image.abstract}


def _text(loaded: Loaded) -> str:
    return "\n".join(str(problem) for problem in loaded.problems if problem.severity == "error")
