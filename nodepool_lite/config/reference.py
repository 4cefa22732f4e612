"""The reference of all keys as Markdown, made from the settings: `python -m nodepool_lite.config.reference [FILE]`."""

import sys
from collections.abc import Iterator
from pathlib import Path

from msgspec import NODEFAULT, inspect

from nodepool_lite.config.descriptions import descriptions
from nodepool_lite.config.duration import spoken
from nodepool_lite.config.ignored import IGNORED
from nodepool_lite.config.section import Section
from nodepool_lite.config.settings import Config
from nodepool_lite.config.shapes import Shape, default_of, sections, shapes, unmarked

TARGET = Path("docs/reference/config.md")
_HEAD = """\
# nodepool.yaml: every key

<!-- Made by `python -m nodepool_lite.config.reference` from nodepool_lite/config/settings.py: do not edit. -->

Durations are seconds, or a number with a unit: `90s`, `15m`, `8h`, `1d`, `1h30m`. RAM is in MiB, disk in GiB.
A relative path starts in the file's directory. `%(NODEPOOL_X)` is replaced by the value of the environment variable
NODEPOOL_X; it is an error when there is none. `nodepool-lite config check` tells all problems of a file at once,
`config show` prints it with every default, `config schema` prints a JSON schema for editors.

The file is looked for in this order: `--config`, `$NODEPOOL_LITE_CONFIG`, `/etc/nodepool-lite/nodepool.yaml`,
`/etc/nodepool/nodepool.yaml`. A second file, named by `$NODEPOOL_LITE_SECURE`, may hold `zookeeper-servers`,
`zookeeper-tls`, `zookeeper-auth` and the `env-vars` of `diskimages` (by `name`); what it says is put over the first.

Files of Nodepool 0.3 to 0.5 are read too; `nodepool-lite config convert FILE` writes them in this form.
"""


def markdown() -> str:
    """Return the whole page."""
    return "\n".join([_HEAD, *(line for section in sections() for line in _section(section))])


def _section(section: type[Section]) -> Iterator[str]:
    texts = descriptions()[section.__name__]
    yield f"## {_path(section)}\n"
    yield f"{texts.summary}\n"
    yield "| key | type | default | meaning |\n|---|---|---|---|"
    for key, shape in shapes(section).items():
        yield f"| `{key}` | {_type(shape)} | {_default(section, shape)} | {texts.fields[shape.name]} |"
    if section in IGNORED:
        keys = "; ".join(f"`{key}` ({why})" for key, why in IGNORED[section].items())
        yield f"\nAccepted from Nodepool's files and ignored, with a notice: {keys}."
    yield ""


def _path(section: type[Section]) -> str:
    """Return where a section stands in the file."""
    if section is Config:
        return "Top level"
    for parent in sections():
        for key, shape in shapes(parent).items():
            if shape.section is section:
                above = "" if parent is Config else f"{_path(parent).strip('`')}."
                return f"`{above}{key}{'' if shape.single else '[]'}`"
    raise AssertionError(section)


def _type(shape: Shape) -> str:
    """Return a key's type in words."""
    if shape.duration:
        return "duration"
    if shape.section is not None:
        return f"{'mapping' if shape.single else 'list of'} {_path(shape.section)}"
    return _words(shape.bare)


def _words(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.LiteralType):
        return ", ".join(f"`{each}`" for each in kind.values)
    if isinstance(kind, inspect.VarTupleType):
        inner = _words(unmarked(kind.item_type)[0])
        return f"list of {'paths' if inner == 'path' else inner}"
    names: dict[type, str] = {
        inspect.StrType: "text",
        inspect.BoolType: "boolean",
        inspect.IntType: "integer",
        inspect.FloatType: "number",
        inspect.CustomType: "path",
    }
    return names.get(type(kind), "mapping")


def _default(section: type[Section], shape: Shape) -> str:
    if shape.default is NODEFAULT:
        return "required"
    value = default_of(section, shape)
    if shape.collection or value in (None, ""):
        return ""
    if shape.duration:
        return f"`{spoken(value)}`"
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    target.write_text(markdown(), encoding="utf-8")
