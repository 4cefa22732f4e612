"""Every link leads somewhere, every command exists, and tables that repeat the code say what the code says."""

import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import pytest

from nodepool_lite.cli.main import cli
from nodepool_lite.model import errors
from nodepool_lite.model.image import BUILD_TRANSITIONS, UPLOAD_TRANSITIONS
from nodepool_lite.model.lease import LEASE_TRANSITIONS
from nodepool_lite.model.node import TRANSITIONS
from nodepool_lite.store.base import EPHEMERAL, PATHS
from tests.simulation.mutations import MUTATIONS

CHECKOUT = Path(__file__).parents[2]
DOCUMENTS = sorted([*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^ *```console\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"^ *[$#] (.*)$")
SUDO = ("sudo", "-u", "nodepool")
INLINE = re.compile(r"`(?:sudo )?(nodepool-lite [^`]+)`")


def _name(document: Path) -> str:
    return str(document.relative_to(CHECKOUT))


def _without_code(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```$|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)


def _anchors(document: Path) -> set[str]:
    """The anchors that headings get: lower case, hyphens for spaces, no other punctuation."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _typed(document: Path) -> Iterator[str]:
    """What the document tells people to type: lines with a prompt in console blocks, with their continuations."""
    for block in BLOCK.findall(document.read_text()):
        for line in block.replace("\\\n", " ").splitlines():
            typed = PROMPT.match(line)
            if typed:
                yield typed[1]


def _commands(lines: Iterable[str]) -> Iterator[list[str]]:
    """The words of each call of nodepool-lite, as a shell would take a line apart; `sudo` may be in front."""
    for line in lines:
        call: list[str] = []
        for word in [*shlex.shlex(line.replace("\\|", "|"), posix=True, punctuation_chars=True), ";"]:
            if word[0] not in "();<>|&":
                call.append(word)
                continue
            while call and call[0] in SUDO:
                call.pop(0)
            if call and call[0] == "nodepool-lite":
                yield [each for each in call[1:] if each != "..."]
            call = []


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_links_lead_somewhere(document: Path) -> None:
    """Each relative link names a file that is there, and an anchor that it has."""
    broken = []
    for target in LINK.findall(_without_code(document.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (document.parent / name).resolve() if name else document
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(target)

    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_commands_exist(document: Path) -> None:
    """Each call of nodepool-lite in a document names a command, and options that it has."""
    inline = INLINE.findall(re.sub(r"^ *```.*?^ *```$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL))
    calls = _commands([*_typed(document), *inline])
    wrong = [problem for words in calls if (problem := _problem(words))]

    assert wrong == []


def _problem(words: list[str]) -> str:
    """Why nodepool-lite would not know what is meant; empty when it would."""
    group: click.Command = cli
    path: list[str] = []
    rest = list(words)
    while isinstance(group, click.Group):
        options = _options(group)
        while rest and rest[0].startswith("-"):
            if rest[0].partition("=")[0] not in options:
                return f"{' '.join(words)}: no option {rest[0]}"
            takes_value = options[rest.pop(0).partition("=")[0]]
            rest = rest[1:] if takes_value and rest else rest
        if not rest:
            return ""
        if rest[0] == "COMMAND":
            return ""
        found = group.get_command(click.Context(group), rest[0])
        if found is None:
            return f"{' '.join(words)}: no command {' '.join([*path, rest[0]])}"
        path.append(rest.pop(0))
        group = found
    known = _options(group)
    own = rest[: rest.index("--")] if "--" in rest else rest
    unknown = [word for word in own if word.startswith("-") and word.partition("=")[0] not in known]
    return f"{' '.join(words)}: no option {unknown[0]}" if unknown else ""


def _options(command: click.Command) -> dict[str, bool]:
    """The options of a command, and whether each takes a value."""
    params = [each for each in command.get_params(click.Context(command)) if isinstance(each, click.Option)]
    found = {name: not each.is_flag for each in params for name in (*each.opts, *each.secondary_opts)}
    return {**found, "-h": False, "--help": False}


def test_a_wrong_command_would_be_noticed() -> None:
    """The check above can fail: commands and options that are not there are told."""
    calls = list(
        _commands(["sudo -u nodepool nodepool-lite lst | head", "nodepool-lite list --wach", "nodepool-lite list"])
    )

    assert [bool(_problem(words)) for words in calls] == [True, True, False]


def _table(document: str, heading: str) -> dict[str, set[str]]:
    """The first column of the table below a heading, and the words in code of its last column."""
    section = re.split(r"^## ", (CHECKOUT / document).read_text(), flags=re.MULTILINE)
    text = next(each for each in section if each.startswith(heading))
    rows = [line.strip("| ").split(" | ") if line.endswith("|") else [] for line in text.splitlines()]
    cells = [[cell.strip(" |") for cell in row] for row in rows if row and row[0].startswith("`")]
    return {row[0].strip("`"): set(re.findall(r"`([^`]+)`", row[-1])) if len(row) > 2 else set() for row in cells}


@pytest.mark.parametrize(
    ("heading", "transitions"),
    [
        ("Nodes", TRANSITIONS),
        ("Builds", BUILD_TRANSITIONS),
        ("Uploads", UPLOAD_TRANSITIONS),
        ("Leases", LEASE_TRANSITIONS),
    ],
    ids=["nodes", "builds", "uploads", "leases"],
)
def test_the_states_are_those_of_the_model(heading: str, transitions: dict[str, frozenset[str]]) -> None:
    """The page about states has every state, and exactly what may follow it."""
    expected = {str(state): {str(each) for each in following} for state, following in transitions.items()}

    assert _table("docs/reference/states.md", heading) == expected


def test_every_exit_status_is_explained() -> None:
    """The page about exit statuses has every status that an error of the pool can lead to."""
    text = (CHECKOUT / "docs/reference/exit-status.md").read_text()
    explained = {int(number) for number in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    kinds = [
        each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.NodepoolError)
    ]

    assert {each.exit_status for each in kinds} | {0, 2} <= explained


def test_every_kind_of_record_is_explained() -> None:
    """The page about the store has the path of every kind of record, and says which vanish with their process."""
    rows = [
        line
        for line in (CHECKOUT / "docs/reference/store-layout.md").read_text().splitlines()
        if line.startswith(tuple(f"| `{path}/" for path in PATHS.values()))
    ]
    paths = {line.split("`")[1].partition("/")[0]: "(ephemeral)" in line for line in rows}

    assert paths == {path: kind in EPHEMERAL for kind, path in PATHS.items()}


def test_every_mutation_is_on_show() -> None:
    """With what found it."""
    text = (CHECKOUT / "docs" / "explanation" / "simulation.md").read_text()
    table = text.rpartition("| mutation |")[2]
    assert re.findall(r"^\| ([a-z ]+) \| \d+ \| \S", table, re.MULTILINE) == list(MUTATIONS)
