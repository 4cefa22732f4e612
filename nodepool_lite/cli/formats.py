"""Data as text for people and programs. Both libraries are slow to import, and seldom asked for."""

from typing import Any


def to_json(data: Any) -> str:
    """Return data as JSON for people and programs."""
    import json  # noqa: PLC0415 - as said above

    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def to_yaml(data: Any) -> str:
    """Return data as YAML, keys in the order given."""
    import yaml  # noqa: PLC0415 - as said above

    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=False))
