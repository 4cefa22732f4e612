"""What is secret in a configuration and an environment, and hiding it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodepool_lite.config.load import load
from nodepool_lite.config.secrets import MASK, masked, secrets_of
from nodepool_lite.config.settings import Diskimage
from nodepool_lite.config.zookeeper import ZooKeeperAuth
from nodepool_lite.testing import make_config


def test_secret_is_what_its_name_says() -> None:
    """Passwords, tokens and keys; not what is shorter than a secret can be, and not what other variables say."""
    config = make_config(zookeeper_auth=ZooKeeperAuth(username="u", password="from-zookeeper")).but(
        diskimages=(Diskimage(name="a", env_vars={"DIB_PASSWORD": "of-a", "DIB_RELEASE": "bookworm"}),)
    )
    environment = {"NODEPOOL_TOKEN": "token", "NODEPOOL_SECRET": "no", "NODEPOOL_PLACE": "here"}
    assert secrets_of(config, environment) == {"of-a", "from-zookeeper", "token"}


def test_a_secret_within_another_leaves_nothing_of_either() -> None:
    """The longer one is hidden first."""
    assert masked("abc-123 and abc-", ["abc-", "abc-123"]) == f"{MASK} and {MASK}"


@given(st.text(), st.sets(st.text(alphabet="abc", min_size=4, max_size=8), max_size=4))
def test_no_secret_is_left(text: str, secrets: set[str]) -> None:
    """Wherever it stood."""
    assert not [each for each in secrets if each in masked(text + "".join(secrets), secrets)]


CASES = (
    "zookeeper-auth: hunter2",
    "zookeeper-auth: {username: pool, password=hunter2}",
    "zookeeper-auth: {username: pool, password:hunter2}",
    "zookeeper-auth: {username: pool, password hunter2}",
    "zookeeper-auth: {username: pool, password: !hunter2 x}",
    "zookeeper-auth: {username: pool, password: *hunter2 }",
    "zookeeper-auth: {scheme: 'digest:pool:hunter2', username: pool, password: x}",
    "zookeeper-auth: {username: *hunter2 , password: x}",
    "diskimages: [{name: a, env-vars: DIB_PASSWORD=hunter2}]",
    "diskimages: [{name: a, env-vars: {DIB_PASSWORD=hunter2}}]",
    "diskimages: [{name: a, env-vars: {DIB_PASSWORD:hunter2}}]",
    "diskimages: [{name: a, env-vars: {DIB_PASSWORD: !hunter2 }}]",
    "diskimages: [{name: a, env_vars: {DIB_DATABASE: *hunter2 }}]",
    "diskimages: [{name: a, env-vars: {<<: hunter2}}]",
    "diskimages: [{name: a, env-vars: {A=hunter2: 1, A=hunter2: 2}}]",
    "diskimages: [{name: a, env-vars:hunter2}]",
    "diskimages: DIB_PASSWORD=hunter2",
    "diskimages: {a: {env-vars: {DIB_PASSWORD: hunter2}}}",
    "diskimages:\n- name: a\n  env-vars:\n- DIB_PASSWORD=hunter2",
    "DIB_PASSWORD=hunter2",
    "password:hunter2",
    "password=hunter2: ",
)


@pytest.mark.parametrize("text", CASES)
@pytest.mark.parametrize("secure", [False, True])
def test_what_may_be_secret_is_quoted_in_no_complaint(tmp_path: Path, text: str, secure: bool) -> None:
    """Complaints go to logs and, when a daemon refuses a file, into records that every user reads."""
    path, other = tmp_path / "nodepool.yaml", tmp_path / "secure.yaml"
    path.write_text("diskimages: [{name: a}]\n" if secure else text)
    other.write_text(text)
    loaded = load(path, {"NODEPOOL_LITE_SECURE": str(other)} if secure else {})
    assert loaded.config is None
    assert loaded.problems
    assert "hunter2" not in "".join(map(str, loaded.problems))


def test_what_a_secret_variable_says_is_quoted_in_no_complaint(tmp_path: Path) -> None:
    """Only the name of the variable is, which is what stands in the file."""
    path = tmp_path / "nodepool.yaml"
    path.write_text(
        "check-cron: '%(NODEPOOL_PASSWORD)'\nport: '%(NODEPOOL_PASSWORD)'\ncleanup-interval: '%(NODEPOOL_PASSWORD)'\n"
    )
    complaints = "".join(map(str, load(path, {"NODEPOOL_PASSWORD": "hunter2"}).problems))
    assert "not `%(NODEPOOL_PASSWORD)`" in complaints
    assert "hunter2" not in complaints
