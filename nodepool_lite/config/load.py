"""From a file's name to a Config, or to the list of all that is wrong with it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nodepool_lite.config.problem import Position, Problem, Report, Severity
from nodepool_lite.config.settings import Config
from nodepool_lite.config.tree import Item, parse
from nodepool_lite.config.validate import known_keys, to_config
from nodepool_lite.model.errors import ConfigError

VARIABLE = "NODEPOOL_LITE_CONFIG"
PLACES = (Path("/etc/nodepool-lite/nodepool.yaml"), Path("/etc/nodepool/nodepool.yaml"))


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a file gave: its settings, unless an error forbids to use them, and all that is to be said about it."""

    config: Config | None
    problems: tuple[Problem, ...]
    digest: str
    """Hash of what was read; the same digest means the same configuration."""
    path: Path


def find(explicit: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the configuration file to use: the one given, the environment's, else the first that exists.

    Raises:
        ConfigError: there is none; every place that was looked at is named.
    """
    if explicit is not None:
        return explicit
    if environ.get(VARIABLE):
        return Path(environ[VARIABLE])
    for place in PLACES:
        if place.exists():
            return place
    looked = "\n".join(f"  {place}: no such file" for place in PLACES)
    raise ConfigError(
        f"no configuration file found:\n  --config: not given\n  ${VARIABLE}: not set\n{looked}\n"
        "Copy etc/nodepool.yaml to one of these places, or name a file with --config."
    )


def load(path: Path, environ: Mapping[str, str]) -> Loaded:
    """Return what the file says; never raises, whatever the file holds."""
    report = Report()
    content = _read(path, report)
    digest = hashlib.sha256(content or b"").hexdigest()[:16]
    root = _tree(content, str(path), environ, report) if content is not None else None
    config = None
    if root is not None:
        config = to_config(known_keys(root, report), report)
    if config is not None:
        config = _absolute(config, path.absolute().parent)
    return Loaded(None if report.failed else config, report.problems(), digest, path)


def load_or_raise(path: Path, environ: Mapping[str, str]) -> Config:
    """Return the settings of a file.

    Raises:
        ConfigError: it has errors; the message lists every problem as `file:line:column: message`.
    """
    loaded = load(path, environ)
    if loaded.config is None:
        raise ConfigError("\n".join(str(each) for each in loaded.problems if each.severity is not Severity.NOTICE))
    return loaded.config


def _read(path: Path, report: Report) -> bytes | None:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        report.error(Position(str(path)), f"cannot be read: {reason}")
        return None


def _tree(content: bytes, file: str, environ: Mapping[str, str], report: Report) -> Item | None:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        report.error(Position(file, line, column), "this is not UTF-8 text", "save the file as UTF-8")
        return None
    return parse(text, file, environ, report)


def _absolute(config: Config, base: Path) -> Config:
    """Return the settings with every relative path taken from the file's directory."""
    return config.model_copy(
        update={
            "state_dir": base / config.state_dir,
            "images_dir": base / config.images_dir,
            "build_log_dir": base / config.build_log_dir,
            "elements_dir": tuple(base / each for each in config.elements_dir),
            "scripts_dir": tuple(base / each for each in config.scripts_dir),
            "private_key": base / config.private_key if config.private_key else None,
        }
    )
