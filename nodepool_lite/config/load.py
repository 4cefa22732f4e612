"""From a file's name to a Config, or to the list of all that is wrong with it."""

from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from nodepool_lite.config.check import check
from nodepool_lite.config.check_zookeeper import check_zookeeper
from nodepool_lite.config.files import check_files
from nodepool_lite.config.finish import finished
from nodepool_lite.config.ignored import notice_unused
from nodepool_lite.config.old_dialect import Dialect, to_native
from nodepool_lite.config.problem import Position, Problem, Report, Severity
from nodepool_lite.config.secure import merged
from nodepool_lite.config.settings import Config, Diskimage
from nodepool_lite.config.source import LIMIT, digest_of, secure_file
from nodepool_lite.config.tree import Item, parse, variables
from nodepool_lite.config.validate import given, known_keys, to_config
from nodepool_lite.model.errors import ConfigError


class Loaded(Struct, frozen=True):
    """What a file gave: its settings, unless an error forbids to use them, and all that is to be said about it."""

    config: Config | None
    problems: tuple[Problem, ...]
    digest: str
    """Hash of all that was read, environment values included; the same digest means the same configuration."""
    path: Path
    dialect: Dialect = Dialect.CURRENT


def load(path: Path, environ: Mapping[str, str], base: Path | None = None) -> Loaded:
    """Return what the file says, with the secure file on top; never raises, whatever the files hold.

    Relative paths start in `base`, by default the file's directory.
    """
    report, seen = Report(), list[bytes]()
    base, config, dialect = base or path.absolute().parent, None, Dialect.CURRENT
    native = _native(path, environ, report, seen.append)
    if native is not None:
        root, dialect = native
        check(root, report)
        notice_unused(root, report)
        check_files(root, base, environ, report)
        check_zookeeper(root, base, environ, report)
        config = to_config(root, report)
        if config is not None:
            said = {each.word("name"): given(each, Diskimage) for each in root.each("diskimages")}
            config = None if report.failed else finished(config, said, base, environ)
    return Loaded(config, report.problems(), digest_of(seen), path, dialect)


def load_or_raise(path: Path, environ: Mapping[str, str]) -> Config:
    """Return the settings of a file.

    Raises:
        ConfigError: it has errors; the message lists every problem as `file:line:column: message`.
    """
    loaded = load(path, environ)
    if loaded.config is None:
        raise ConfigError(errors_of(loaded.problems))
    return loaded.config


def errors_of(problems: tuple[Problem, ...]) -> str:
    """Return the text of a ConfigError: a line for each error and warning."""
    return "\n".join(str(each) for each in problems if each.severity is not Severity.NOTICE)


def native_tree(path: Path, environ: Mapping[str, str], report: Report) -> Item | None:
    """Return a file's tree in the native dialect, with known keys alone; its values are not looked at yet."""
    native = _native(path, environ, report)
    return native[0] if native else None


def _native(
    path: Path, environ: Mapping[str, str], report: Report, seen: Callable[[bytes], None] = lambda _: None
) -> tuple[Item, Dialect] | None:
    root = _tree(path, environ, report, seen)
    secure = secure_file(environ)
    if secure is not None:
        secrets = _tree(secure, environ, report, seen)
        root = merged(root, secrets, report) if root and secrets else root
    if root is None:
        return None
    root, dialect = to_native(root, report)
    return known_keys(root, report), dialect


def _tree(path: Path, environ: Mapping[str, str], report: Report, seen: Callable[[bytes], None]) -> Item | None:
    """Return the tree of a file; None when it cannot be read or is no YAML, with the reason in `report`."""
    try:
        with path.open("rb") as file:
            content = file.read(LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        report.error(Position(str(path)), f"cannot be read: {reason}")
        return None
    if len(content) > LIMIT:
        report.error(Position(str(path)), f"this file is larger than {LIMIT >> 20} MiB", "is it the right one?")
        return None
    seen(content)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        report.error(Position(str(path), line, column), "this is not UTF-8 text", "save the file as UTF-8")
        return None
    for name in variables(text):
        seen(f"{name}={environ.get(name)}".encode(errors="surrogateescape"))
    root = parse(text, str(path), environ, report)
    if root is not None and root.entries is None:
        if not root.empty:
            report.error(root.at, f"expected a mapping of settings, not {root.nature}")
        root = root.but({})
    return root
