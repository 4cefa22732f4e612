"""A JSON schema of the native form, for editors that complete and check YAML while one types."""

from typing import Any

from msgspec import NODEFAULT, inspect, to_builtins

from nodepool_lite.config.descriptions import Description, descriptions
from nodepool_lite.config.ignored import IGNORED
from nodepool_lite.config.section import Section
from nodepool_lite.config.shapes import Shape, default_of, sections, shapes, unmarked

_VARIABLE = r"%\(NODEPOOL_[A-Za-z0-9_]*\)"
_DURATION = rf"^\s*([0-9]+(\.[0-9]+)?\s*[smhdw]?\s*)+$|{_VARIABLE}"
_WIDER: dict[str, dict[str, Any]] = {
    "integer": {"type": "string", "pattern": rf"^\s*[0-9]+\s*$|{_VARIABLE}"},
    "number": {"type": "string", "pattern": rf"^\s*[0-9]+(\.[0-9]+)?\s*$|{_VARIABLE}"},
    "boolean": {"type": "string", "pattern": rf"^(true|false|yes|no|on|off)$|{_VARIABLE}"},
}


def json_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12): it takes what the loader takes, such as `15m`, `"3"` and `%(NODEPOOL_X)`."""
    top, *others = sections()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_object(top),
        "title": "nodepool.yaml of nodepool-lite",
        "$defs": {each.__name__: _object(each) for each in others},
    }


def _object(section: type[Section]) -> dict[str, Any]:
    """Return a section's schema, with what the settings say in words, and what the loader takes besides."""
    texts = descriptions()[section.__name__]
    properties = {key: _property(section, shape, texts) for key, shape in shapes(section).items()}
    for key, why in IGNORED.get(section, {}).items():
        properties[key] = {"description": f"Accepted and ignored: {why}.", "deprecated": True}
    required = [key for key, shape in shapes(section).items() if shape.default is NODEFAULT]
    return {
        "title": section.__name__,
        "description": texts.summary,
        "type": "object",
        "properties": properties,
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def _property(section: type[Section], shape: Shape, texts: Description) -> dict[str, Any]:
    schema = _bare(shape.bare)
    if shape.optional:
        schema = {"anyOf": [schema, {"type": "null"}]}
    if shape.default is not NODEFAULT:
        schema["default"] = to_builtins(default_of(section, shape), enc_hook=str)
    return {**_widened(schema, shape), "description": texts.fields[shape.name]}


def _bare(kind: inspect.Type) -> dict[str, Any]:
    """Return the schema of a type, as our own code has its values."""
    match unmarked(kind)[0]:
        case inspect.StructType(cls=section):
            found: dict[str, Any] = {"$ref": f"#/$defs/{section.__name__}"}
        case inspect.VarTupleType(item_type=inner):
            found = {"type": "array", "items": _bare(inner)}
        case inspect.DictType(key_type=inspect.StrType(pattern=str(pattern), max_length=most), value_type=inner):
            found = {
                "type": "object",
                "patternProperties": {pattern: _bare(inner)},
                "propertyNames": {"maxLength": most},
            }
        case inspect.DictType(value_type=inner):
            found = {"type": "object", "additionalProperties": _bare(inner)}
        case scalar:
            found = _scalar(scalar)
    return found


def _scalar(kind: inspect.Type) -> dict[str, Any]:
    match kind:
        case inspect.LiteralType(values=values):
            return {"type": "string", "enum": list(values)}
        case inspect.IntType(ge=least, le=most):
            return _limited("integer", minimum=least, maximum=most)
        case inspect.FloatType(ge=least, le=most):
            return _limited("number", minimum=least, maximum=most)
        case inspect.StrType(min_length=least, max_length=most, pattern=pattern):
            return _limited("string", minLength=least, maxLength=most, pattern=pattern)
    return {inspect.BoolType: {"type": "boolean"}, inspect.CustomType: {"type": "string"}}.get(type(kind), {})


def _limited(kind: str, **limits: object) -> dict[str, Any]:
    return {"type": kind, **{name: value for name, value in limits.items() if value is not None}}


def _widened(schema: dict[str, Any], shape: Shape) -> dict[str, Any]:
    """Return a key's schema with the other ways to write its value."""
    extra = {key: schema[key] for key in ("default",) if key in schema}
    bare = {key: value for key, value in schema.items() if key != "default"}
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
