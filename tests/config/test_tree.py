"""Reading YAML with places: what is taken of the language, and what is refused with a reason."""

from collections.abc import Callable

import pytest

from nodepool_lite.config.problem import Report
from nodepool_lite.config.tree import Item, parse

Told = Callable[..., list[str]]


def tree(text: str) -> Item:
    """Return the tree of a text that is right."""
    report = Report()
    found = parse(text, "f", {}, report)
    assert found is not None
    assert report.problems() == ()
    return found


def test_every_value_knows_its_place_and_its_keys() -> None:
    """Lines and columns count from 1; columns count characters, not bytes."""
    root = tree("a: 1\nö: [x, {b: c}]\n")
    inner = root.each("ö")[1].get("b")
    assert inner is not None
    assert (inner.at.line, inner.at.column) == (2, 12)
    assert inner.key_at is not None
    assert inner.key_at.column == 9


def test_anchors_and_merges_work_as_in_yaml() -> None:
    """An alias stands for what it names; `<<` gives defaults, the first mapping of a list first."""
    root = tree("x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  <<: [*x, *y]\n  a: own\nlist: [*x]\n")
    merged = root.get("z")
    assert merged is not None
    assert [merged.word(each) for each in "abc"] == ["own", "1", "2"]
    assert root.each("list")[0].word("b") == "1"


def test_an_alias_has_the_place_of_what_it_names_and_the_key_of_where_it_stands() -> None:
    """A wrong value is shown where it is written."""
    root = tree("x: &x wrong\ny: *x\n")
    y = root.get("y")
    assert y is not None
    assert y.key_at is not None
    assert (y.at.line, y.key_at.line) == (1, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "this is not YAML: while parsing a flow sequence"),
        ("pool-name: a\nb", "2:2: this is not YAML: while scanning a simple key, could not find expected ':'"),
        ("a: 1\n b: 2", "2:3: this is not YAML: mapping values are not allowed"),
        ("a: 'x", "1:6: this is not YAML: while scanning a quoted scalar, found unexpected end of stream"),
        ("pool-name: a\npool-name: b", "2:1: the key `pool-name` stands here again; first in line 1"),
        ("? [x]\n: 1", "1:3: a key must be text, not a list"),
        ("pool-name: *x", "1:12: the alias *x names nothing above"),
        ("labels: &x [*x]", "1:13: the alias *x stands inside of what it names"),
        ("<<: 1", "1:1: `<<` merges mappings, not a text"),
        ("pool-name: !!python/object:os.system x", "1:12: the tag tag:yaml.org,2002:python/object:os.system means"),
        ("pool-name: !secret x", "1:12: the tag !secret means nothing here; leave it out"),
        ("pool-name: a\n---\npool-name: b", "2:1: a second document starts here; keep one document per file"),
        ("a: " + "[" * 60, "1:53: nested deeper than 50 levels"),
        ("pool-name: a\x07b", "1:13: this is not YAML"),
    ],
)
def test_what_is_refused_says_why_and_where(told: Told, text: str, message: str) -> None:
    """Broken YAML, duplicate keys, odd tags and endless aliases are problems with a place."""
    assert message in told(text)[0]


def test_text_in_another_encoding_is_refused_with_its_place(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Bytes that are not UTF-8 are named by line and column."""
    from nodepool_lite.config.load import load  # noqa: PLC0415 - this one test needs a file of bytes

    path = tmp_path_factory.mktemp("latin") / "nodepool.yaml"
    path.write_bytes(b"a: 1\nb: \xe9\n")
    assert str(load(path, {}).problems[0]) == f"{path}:2:4: this is not UTF-8 text; save the file as UTF-8"


def test_aliases_of_aliases_do_not_fill_the_memory(told: Told) -> None:
    """A small file that stands for billions of values is refused at once."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "more than 200000 values" in told("\n".join(lines))[-1]
