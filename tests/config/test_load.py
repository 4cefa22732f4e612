"""Loading nodepool.yaml: what it gives, and what it says about a file that is wrong."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import nodepool_lite.config.source as sources
from nodepool_lite.config.load import load, load_or_raise
from nodepool_lite.config.source import find
from nodepool_lite.model.errors import ConfigError
from tests.config.conftest import BASE, DATA

Told = Callable[..., list[str]]
Write = Callable[[str], Path]

SMALL = """\
labels:
  - name: debian-12
    min-ready: 1
    max-ready-age: 8h
diskimages:
  - name: debian-12
    elements: [debian-minimal, vm]
    release: 12
    env-vars: {DIB_A: 8.10, DIB_B: %(NODEPOOL_B), DIB_C: }
providers:
  - name: local
    driver: qemu
    pools:
      - max-servers: "3"
        labels:
          - {name: debian-12, diskimage: debian-12, min-ram: 512, console-log: "no"}
"""


def test_a_small_native_file_loads(write: Write) -> None:
    """Labels, diskimages and providers arrive as typed settings; text stays as it was written."""
    config = load_or_raise(write(SMALL), {"NODEPOOL_B": "from outside"})
    assert config.labels[0].max_ready_age == 8 * 3600
    assert config.diskimages[0].release == "12"
    assert config.diskimages[0].env_vars == {"DIB_A": "8.10", "DIB_B": "from outside", "DIB_C": ""}
    pool = config.providers[0].pools[0]
    assert (pool.max_servers, pool.labels[0].diskimage, pool.labels[0].console_log) == (3, "debian-12", False)


def test_places_are_in_the_state_directory_unless_the_file_says_where(write: Write, tmp_path: Path) -> None:
    """The file's own directory, too, is a place that it may say."""
    config = load_or_raise(write(BASE + "state-dir: /state\nimages-dir: .\n"), {})
    assert (config.images_dir, config.build_log_dir) == (tmp_path, Path("/state/logs/builds"))


def test_all_problems_are_told_at_once(write: Write) -> None:
    """An unknown key, a wrong type, a missing variable and a bad reference are told together, with their places."""
    file = write(
        SMALL.replace("min-ready: 1", "min-redy: 1").replace('"3"', "many").replace("e: debian-12, m", "e: x, m")
    )
    with pytest.raises(ConfigError) as caught:
        load_or_raise(file, {})
    assert str(caught.value).splitlines() == [
        f"{file}:3:5: unknown key `min-redy`; did you mean `min-ready`?",
        f"{file}:9:36: the environment has no NODEPOOL_B; set NODEPOOL_B, or write the value here",
        f"{file}:14:22: `max-servers`: expected a whole number, not `many`",
        f"{file}:16:42: unknown diskimage `x`; the only one is `debian-12`",
    ]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            "check-interval: soon",
            "1:17: `check-interval`: expected a duration such as 90, 90s, 15m, 8h or 1d, not `soon`",
        ),
        (
            "check-interval: 0",
            "1:17: `check-interval`: expected a duration such as 90, 90s, 15m, 8h or 1d, above 0, not `0`",
        ),
        ("build-jobs: 0", "1:13: `build-jobs`: expected at least 1, not `0`"),
        ("build-jobs: two", "1:13: `build-jobs`: expected a whole number, not `two`"),
        ("build-jobs:", "1:12: `build-jobs`: expected a whole number, not nothing"),
        ("build-min-free: .nan", "1:17: `build-min-free`: expected a number, not `.nan`"),
        ("build-min-free: inf", "1:17: `build-min-free`: expected a finite number, not `inf`"),
        ("labels: some", "1:9: `labels`: expected a list, not a text"),
        ("labels: {name: x}", "1:9: `labels`: expected a list, not a mapping"),
        ("labels: [x]", "1:10: `labels`: expected a mapping of settings, not a text"),
        ("state-dir: [x]", "1:12: `state-dir`: expected a path, not a list"),
        ("zookeeper-servers: [{host: z, port: 99999}]", "1:37: `port`: expected at most 65535, not `99999`"),
        ("zookeeper-servers: [{port: 1}]", "1:21: the key `host` is missing here"),
        ("diskimages: [{name: x, elements: vm}]", "1:34: `elements`: expected a list, not a text"),
        ("diskimages: [{name: x, pause: perhaps}]", "1:31: `pause`: expected true or false, not `perhaps`"),
        ("diskimages: [{name: x, env-vars: [A]}]", "1:34: `env-vars`: expected a mapping, not a list"),
        ("diskimages: [{name: x, env-vars: {A: [b]}}]", "1:38: `A`: expected text, not a list"),
        (
            "diskimages: [{name: a b}]",
            "1:21: `name`: expected a name of letters, digits, `.`, `_` and `-`, a letter or digit first, not `a b`",
        ),
        (
            'diskimages: [{name: "a\\n"}]',
            "1:21: `name`: expected a name of letters, digits, `.`, `_` and `-`, a letter or digit first, not `a `",
        ),
        (
            "providers: [{name: x, driver: ec2}]",
            "1:31: `driver`: expected one of 'openstack', 'qemu' or 'simulated', not `ec2`",
        ),
        ("- a list", "1:1: expected a mapping of settings, not a list"),
        ("just words", "1:1: expected a mapping of settings, not a text"),
        ("pool_name: x", "1:1: unknown key `pool_name`; did you mean `pool-name`?"),
        ("webap: {port: 8005}", "1:1: unknown key `webap`; did you mean `webapp`?"),
        (
            'build-jobs: "a\\nb"',
            "1:13: `build-jobs`: expected a whole number, not `a b`",
        ),
        ("webapp: {port: 8005}", "1:1: notice: ignored: `webapp`; there is no web server yet"),
        (
            "diskimages: [{name: a, keep-formats: true}]",
            "1:24: notice: ignored: `keep-formats`; files in every format are kept as long as their build",
        ),
    ],
)
def test_a_wrong_value_says_what_was_expected(told: Told, wrong: str, message: str) -> None:
    """The message names the key, what was expected and what stands there, at the value's place."""
    assert told(wrong) == [message]


def test_a_misspelt_key_does_not_hide_what_is_wrong_below_it(told: Told) -> None:
    """What a key with a slip holds is looked at as if it were written right."""
    assert told(BASE.replace("labels:", "lables:", 1).replace("min-ready: 1", "min-ready: one")) == [
        "4:1: unknown key `lables`; did you mean `labels`?",
        "6:16: `min-ready`: expected a whole number, not `one`",
    ]


def test_empty_lists_and_mappings_may_be_left_blank(write: Write) -> None:
    """A key with nothing behind it is an empty list or mapping, or no value, where that is what it holds."""
    config = load_or_raise(write(BASE + "zookeeper-servers:\nscripts-dir:\nprivate-key:\n"), {})
    assert (config.zookeeper_servers, config.scripts_dir, config.private_key) == ((), (), None)


def test_relative_paths_start_at_the_file(write: Write, tmp_path: Path) -> None:
    """Paths of the file are absolute afterwards, and `~` is HOME."""
    text = BASE + "state-dir: state\nelements-dir: a:/b\nscripts-dir: [c, ~/d]\nprivate-key: key\n"
    config = load_or_raise(write(text), {"HOME": "/home/nodepool"})
    assert config.state_dir == tmp_path / "state"
    assert config.images_dir == tmp_path / "state/images"
    assert config.build_log_dir == tmp_path / "state/logs/builds"
    assert config.elements_dir == (tmp_path / "a", Path("/b"))
    assert config.scripts_dir == (tmp_path / "c", Path("/home/nodepool/d"))
    assert config.private_key == tmp_path / "key"


def test_a_diskimage_has_what_its_parents_say(write: Write) -> None:
    """Elements of the parents come first; settings hold where the child has none; being abstract is not inherited."""
    text = """\
        diskimages:
          - {name: base, abstract: true, elements: [vm], env-vars: {A: 1, B: 1}, username: zuul}
          - {name: middle, parent: base, abstract: true, elements: [debian-minimal], release: bookworm}
          - {name: child, parent: middle, elements: [growroot, vm], env-vars: {B: 2}, release: trixie}
        """
    config = load_or_raise(write(text), {})
    child = config.diskimage("child")
    assert child is not None
    assert child.elements == ("vm", "debian-minimal", "growroot")
    assert child.env_vars == {"A": "1", "B": "2"}
    assert (child.release, child.username, child.abstract, child.parent) == ("trixie", "zuul", False, None)


def test_a_diskimage_that_a_label_uses_is_uploaded_without_being_listed(write: Write) -> None:
    """The provider's diskimages are those listed and those that its labels name."""
    config = load_or_raise(write(BASE), {})
    assert [each.name for each in config.providers[0].diskimages] == ["debian-12"]


def test_values_of_the_environment_stand_without_quotes_and_in_comments_mean_nothing(told: Told) -> None:
    """`%(NODEPOOL_X)` may be a whole value; one in a comment is not asked for, and other names are left alone."""
    text = "build-jobs: %(NODEPOOL_JOBS)  # %(NODEPOOL_NO)\npool-name: a%(NODEPOOL_NAME)b\n"
    assert told(text, NODEPOOL_JOBS="2", NODEPOOL_NAME="-") == []
    assert told(text, NODEPOOL_JOBS="two", NODEPOOL_NAME="-") == [
        "1:13: `build-jobs`: expected a whole number, not `two`"
    ]


def test_the_digest_tells_whether_anything_changed(write: Write) -> None:
    """The same text with the same environment has the same digest; a new value of a used variable changes it."""
    file = write("pool-name: %(NODEPOOL_NAME)\n")
    one, again, two = (load(file, {"NODEPOOL_NAME": name, "NODEPOOL_X": x}).digest for name, x in ("ab", "ac", "bb"))
    assert one == again
    assert one != two


def test_the_secure_file_is_put_on_top(write: Write, tmp_path: Path) -> None:
    """ZooKeeper's servers and env-vars of diskimages may come from a second file; what it has wrong is told too."""
    file, secure = write(BASE), tmp_path / "secure.yaml"
    environ = {"NODEPOOL_LITE_SECURE": str(secure)}
    secure.write_text("zookeeper-servers: [{host: z}]\ndiskimages: [{name: debian-12, env-vars: {PASSWORD: s}}]\n")
    config = load_or_raise(file, environ)
    assert config.zookeeper_servers[0].host == "z"
    assert config.diskimages[0].env_vars == {"PASSWORD": "s"}
    assert config.diskimages[0].elements == ("debian-minimal", "vm")
    secure.write_text("labels: []\ndiskimages: [{name: debian-13, env-vars: x}]\n")
    assert [str(each) for each in load(file, environ).problems] == [
        (
            f"{secure}:1:1: unknown key `labels` in the secure file; known: diskimages, zookeeper-auth, "
            "zookeeper-servers, zookeeper-tls"
        ),
        f"{secure}:2:21: unknown diskimage `debian-13`; did you mean `debian-12`?",
        f"{secure}:2:42: `env-vars`: expected a mapping, not a text",
    ]
    secure.unlink()
    assert "cannot be read" in str(load(file, environ).problems[0])


def test_no_file_anywhere_names_all_the_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without any file the error lists where it was looked for."""
    monkeypatch.setattr(sources, "PLACES", (tmp_path / "one.yaml", tmp_path / "two.yaml"))
    with pytest.raises(ConfigError, match=r"(?s)--config.*NODEPOOL_LITE_CONFIG.*one\.yaml.*two\.yaml"):
        find(None, {})


def test_the_first_place_that_has_a_file_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An explicit file comes before the environment's, and that before the ones in /etc."""
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    monkeypatch.setattr(sources, "PLACES", (one, two))
    two.touch()
    assert find(None, {}) == two
    one.touch()
    assert find(None, {}) == one
    assert find(None, {"NODEPOOL_LITE_CONFIG": "/named"}) == Path("/named")
    assert find(Path("/given"), {"NODEPOOL_LITE_CONFIG": "/named"}) == Path("/given")


def test_a_file_that_cannot_be_read_is_a_problem_and_no_traceback(tmp_path: Path) -> None:
    """A missing file and a directory give no config and say why."""
    missing, directory = load(tmp_path / "none.yaml", {}), load(tmp_path, {})
    assert (missing.config, directory.config) == (None, None)
    assert str(missing.problems[0]) == f"{tmp_path}/none.yaml:1:1: cannot be read: No such file or directory"
    assert "Is a directory" in str(directory.problems[0])


NATIVE = (DATA.parent.parent.parent / "etc/nodepool.yaml").read_text()
OLD = (DATA / "article-packstack.yaml").read_text()
SCRATCH = settings(
    max_examples=100, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@SCRATCH
@given(st.binary(max_size=200))
@example(b"\xff\xfe")
@example(b"a: \x00")
@example(b'state-dir: "\\0"\nscripts-dir: ["\\0"]\nlabels: [{name: x, ready-script: "\\0"}]')
@example(b"[" * 20000)
@example(b"{a: " * 20000)
def test_no_bytes_at_all_raise(tmp_path: Path, content: bytes) -> None:
    """Whatever a file holds, loading it gives a config or problems."""
    path = tmp_path / "bytes.yaml"
    path.write_bytes(content)
    loaded = load(path, {})
    assert loaded.config or loaded.problems


@SCRATCH
@given(st.sampled_from((NATIVE, OLD)), st.data())
def test_no_damage_to_a_real_file_raises(tmp_path: Path, text: str, data: st.DataObject) -> None:
    """A file with a piece cut out, or moved to elsewhere in it, gives a config or problems with true places."""
    start = data.draw(st.integers(0, len(text)))
    piece = text[start : start + data.draw(st.integers(1, 60))]
    rest = text[:start] + text[start + len(piece) :]
    to = data.draw(st.none() | st.integers(0, len(rest)))
    damaged = rest if to is None else rest[:to] + piece + rest[to:]
    path = tmp_path / "damaged.yaml"
    path.write_text(damaged)
    loaded = load(path, {})
    assert loaded.config or loaded.problems
    lines = damaged.split("\n")
    assert all(
        1 <= each.line <= len(lines) and each.column <= len(lines[each.line - 1]) + 1 for each in loaded.problems
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@SCRATCH
@given(st.sampled_from((NATIVE, OLD)), st.data())
def test_no_value_in_the_wrong_place_raises(tmp_path: Path, text: str, data: st.DataObject) -> None:
    """Any value where another was expected gives a config or problems."""
    tree = yaml.safe_load(text)
    holder = tree
    while True:
        key = data.draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
        if isinstance(holder[key], dict | list) and holder[key] and data.draw(st.booleans()):
            holder = holder[key]
            continue
        holder[key] = data.draw(VALUES)
        break
    path = tmp_path / "odd.yaml"
    path.write_text(yaml.safe_dump(tree))
    loaded = load(path, {})
    assert loaded.config or loaded.problems


HEAVY = {"croniter", "difflib", "openstack", "paramiko", "structlog", "rich", "click", "kazoo"}


def test_loading_imports_nothing_heavy(write: Write) -> None:
    """A command that loads a plain native file does not pay for cron expressions, cloud libraries or word matching."""
    code = (
        "import sys; from pathlib import Path; from nodepool_lite.config.load import load_or_raise;"
        f"load_or_raise(Path({str(write(BASE))!r}), {{}});"
        f"print(*sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
