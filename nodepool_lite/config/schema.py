"""A JSON schema of the native form, for editors that complete and check YAML while one types."""

from typing import Any

from nodepool_lite.config.descriptions import descriptions
from nodepool_lite.config.ignored import IGNORED
from nodepool_lite.config.settings import Config, Section
from nodepool_lite.config.validate import Shape, sections, shapes

_VARIABLE = r"%\(NODEPOOL_[A-Za-z0-9_]*\)"
_DURATION = rf"^\s*([0-9]+(\.[0-9]+)?\s*[smhdw]?\s*)+$|{_VARIABLE}"
_WIDER: dict[str, dict[str, Any]] = {
    "integer": {"type": "string", "pattern": rf"^\s*[0-9]+\s*$|{_VARIABLE}"},
    "number": {"type": "string", "pattern": rf"^\s*[0-9]+(\.[0-9]+)?\s*$|{_VARIABLE}"},
    "boolean": {"type": "string", "pattern": rf"^(true|false|yes|no|on|off)$|{_VARIABLE}"},
}


def json_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12): it takes what the loader takes, such as `15m`, `"3"` and `%(NODEPOOL_X)`."""
    schema = Config.model_json_schema(by_alias=True)
    definitions = schema.get("$defs", {})
    for section in sections():
        target = schema if section is Config else definitions[section.__name__]
        _describe(target, section)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "nodepool.yaml of nodepool-lite"
    return schema


def _describe(target: dict[str, Any], section: type[Section]) -> None:
    """Add to a section's schema what the settings say in words, and what the loader takes besides."""
    texts = descriptions()[section.__name__]
    for name, (key, shape) in zip(section.model_fields, shapes(section).items(), strict=True):
        wide = _widened(target["properties"][key], shape)
        target["properties"][key] = {**wide, "description": texts.fields[name]}
    for key, why in IGNORED.get(section, {}).items():
        target["properties"][key] = {"description": f"Accepted and ignored: {why}.", "deprecated": True}


def _widened(schema: dict[str, Any], shape: Shape) -> dict[str, Any]:
    """Return a key's schema with the other ways to write its value."""
    extra = {key: schema[key] for key in ("default",) if key in schema}
    bare = {key: value for key, value in schema.items() if key not in {"title", "default", "format"}}
    if shape.duration:
        return {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": _DURATION}], **extra}
    if shape.directories:
        return {"anyOf": [{"type": "string"}, bare, {"type": "null"}], **extra}
    if shape.collection:
        return {"anyOf": [_loose(bare), {"type": "null"}], **extra}
    if "anyOf" in bare:
        return {"anyOf": [each for part in bare["anyOf"] for each in _ways(part)], **extra}
    return {"anyOf": _ways(bare), **extra}


def _ways(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one type and what else may stand for it: quoted numbers and booleans, and text without quotes."""
    schema = {key: value for key, value in schema.items() if key != "format"}
    kind = schema.get("type")
    if kind in _WIDER:
        return [schema, _WIDER[kind]]
    if kind == "string" and "enum" not in schema:
        filled = [{"type": "string", "pattern": _VARIABLE}] if "pattern" in schema else []
        return [schema, {"type": ["number", "boolean"]}, *filled]
    return [schema]


def _loose(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a list or mapping whose text may stand without quotes even where YAML reads a number."""
    text = {"type": ["string", "number", "boolean", "null"]}
    found = dict(schema)
    for key in ("items", "additionalProperties"):
        if found.get(key) == {"type": "string"}:
            found[key] = text
        elif isinstance(found.get(key), dict) and found[key].get("type") == "string":
            found[key] = {"anyOf": [*_ways(found[key]), {"type": "null"}]}
    if "patternProperties" in found:
        found |= {"patternProperties": dict.fromkeys(found["patternProperties"], text), "additionalProperties": False}
    return found
