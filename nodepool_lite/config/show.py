"""The effective configuration, with every default, as a native file."""

from collections.abc import Collection, Mapping
from typing import Any

from nodepool_lite.config import emit
from nodepool_lite.config.duration import spoken
from nodepool_lite.config.secrets import MASK, is_secret
from nodepool_lite.config.section import Section
from nodepool_lite.config.settings import Config, Label, PoolLabel
from nodepool_lite.config.shapes import shapes


def show(config: Config, *, masked: bool = True) -> str:
    """Return the settings as YAML that loads to the same Config; passwords and secret-looking env-vars are masked."""
    return emit.to_yaml(emit.from_plain(_section(config, masked)))


def _section(section: Section, masked: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, shape in shapes(type(section)).items():
        value = getattr(section, shape.name)
        if value is None or shape.name in _left_out(section):
            continue
        if shape.section is not None:
            found[key] = _section(value, masked) if shape.single else [_section(each, masked) for each in value]
        elif shape.duration:
            found[key] = _number_or_text(spoken(value))
        elif shape.name == "env_vars" and masked:
            found[key] = _masked(value)
        elif shape.name == "password" and masked:
            found[key] = MASK
        else:
            found[key] = _plain(value)
    return found


def _left_out(section: Section) -> Collection[str]:
    """Return the settings that may not be written beside others: those of a node set, and of any other label."""
    match section:
        case Label() if section.nodeset:
            return {"subnodes"}
        case Label():
            return {"nodeset"}
        case PoolLabel() if section.is_set:
            return {shape.name for shape in shapes(PoolLabel).values()} - {"name"}
    return ()


def _masked(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: MASK if is_secret(name) else value for name, value in variables.items()}


def _plain(value: Any) -> Any:
    """Return a value as YAML knows it: paths are text."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, bool | int | float) else str(value)


def _number_or_text(text: str) -> int | float | str:
    try:
        return int(text)
    except ValueError:
        return text
