"""Whether the configuration on disk is still the one that was loaded."""

from collections.abc import Mapping
from pathlib import Path

from nodepool_lite.config.load import Loaded, load
from nodepool_lite.config.source import secure_file


class ConfigFile:
    """One configuration file, and whether it or a ready-script changed since it was loaded.

    `changed` looks at stat alone, so it may be asked every second. One thread uses it: the one that reloads.
    """

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self.path = path
        self._environ = environ
        self._scripts: tuple[Path, ...] = ()
        self._seen: tuple[object, ...] = ()

    def load(self) -> Loaded:
        """Return what the file says now; from here on `changed` speaks of what comes after.

        The files are looked at before they are read: a change in between is seen as one, never missed.
        """
        files = self._files()
        loaded = load(self.path, self._environ)
        if loaded.config is not None:
            self._scripts = loaded.config.scripts_dir
        self._seen = (files, self._listings())
        return loaded

    def changed(self) -> bool:
        """Return whether the file, the secure file or a script in `scripts-dir` looks different since `load`."""
        return (self._files(), self._listings()) != self._seen

    def _files(self) -> tuple[object, ...]:
        return tuple(_stat(each) for each in (self.path, secure_file(self._environ)) if each is not None)

    def _listings(self) -> tuple[object, ...]:
        return tuple(_listing(each) for each in self._scripts)


def _stat(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _listing(directory: Path) -> tuple[object, ...]:
    try:
        return tuple(sorted((each.name, _stat(each)) for each in directory.iterdir()))
    except OSError:
        return ()
