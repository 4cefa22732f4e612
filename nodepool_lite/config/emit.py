"""Writing YAML: the one place that decides how our files look."""

from typing import Any

import yaml

from nodepool_lite.config.tree import Item, scalar_tag

_TEXT, _LIST, _MAP = (f"tag:yaml.org,2002:{each}" for each in ("str", "seq", "map"))
_REPRESENTER = yaml.representer.SafeRepresenter()


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key, as people do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - PyYAML's own
        super().increase_indent(flow, indentless=False)


def to_yaml(node: yaml.Node, comments: list[str] | None = None) -> str:
    """Return a document as text, with comment lines above it."""
    head = "".join(f"# {each}\n" for each in comments or [])
    return head + yaml.serialize(node, Dumper=_Dumper, width=120, allow_unicode=True)


def from_item(item: Item) -> yaml.Node:
    """Return a tree as it was written in its file: quoted where it was quoted, `%(NODEPOOL_X)` as it stands."""
    if item.entries is not None:
        pairs = [(_scalar(key), from_item(value)) for key, value in item.entries.items()]
        return yaml.MappingNode(_MAP, pairs, flow_style=not pairs)
    if item.items is not None:
        nodes = [from_item(each) for each in item.items]
        return yaml.SequenceNode(_LIST, nodes, flow_style=not nodes)
    if item.empty:
        return from_plain(None)
    return _scalar(item.raw if item.raw is not None else item.text or "", plain=item.plain)


def from_plain(value: Any) -> yaml.Node:
    """Return Python's lists, dicts, numbers, booleans and text as YAML would have them; short lists in one line."""
    if isinstance(value, dict):
        pairs = [(_scalar(str(key)), from_plain(each)) for key, each in value.items()]
        return yaml.MappingNode(_MAP, pairs, flow_style=not pairs)
    if isinstance(value, list | tuple):
        nodes = [from_plain(each) for each in value]
        return yaml.SequenceNode(_LIST, nodes, flow_style=all(isinstance(each, yaml.ScalarNode) for each in nodes))
    if isinstance(value, str):
        return _scalar(value)
    return _REPRESENTER.represent_data(value)


def _scalar(text: str, *, plain: bool = False) -> yaml.ScalarNode:
    """Return text; `plain` leaves it without quotes although YAML would read a number or the like."""
    tag = scalar_tag(text) if plain else _TEXT
    style = "|" if tag == _TEXT and "\n" in text.strip("\n") else None
    return yaml.ScalarNode(tag, text, style=style)
