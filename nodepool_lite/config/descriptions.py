"""What the settings say in words about each section and key, read from its source: nothing of it costs at run time."""

import ast
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nodepool_lite.config import settings, zookeeper


@dataclass(frozen=True)
class Description:
    """The words about one section."""

    summary: str
    fields: Mapping[str, str]
    """By the field's name; empty text where the source says nothing."""


@cache
def descriptions() -> Mapping[str, Description]:
    """Return the words about every section of the settings, by the class's name."""
    sources = (Path(inspect.getfile(module)).read_text(encoding="utf-8") for module in (settings, zookeeper))
    classes = (node for source in sources for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    return {each.name: Description(ast.get_docstring(each) or "", _fields(each)) for each in classes}


def _fields(section: ast.ClassDef) -> dict[str, str]:
    """Return each annotated field with the string that follows it."""
    found: dict[str, str] = {}
    last = ""
    for statement in section.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name)):
                found[name], last = "", name
            case ast.Expr(value=ast.Constant(value=str(text))) if last:
                found[last], last = " ".join(text.split()), ""
            case _:
                last = ""
    return found
