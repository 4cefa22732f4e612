"""What users see of TLS and authentication on the way to ZooKeeper: errors that name what to mend, and no secret."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from nodepool_lite.store._access import Access
from nodepool_lite.store.zookeeper import ZooKeeperStore
from nodepool_lite.testing import make_node
from tests.authority import Authority
from tests.secured import PASSWORD, USERNAME, Secured, auth

from .conftest import PROGRAM, write_config

pytestmark = pytest.mark.zookeeper

SOON = 8.0
"""Seconds within which one knows: 5 are promised, on a machine that is not busy."""
Configure = Callable[..., Path]


@pytest.fixture
def configure(tmp_path: Path, secured_zookeeper: Secured, zookeeper_root: str) -> Configure:
    """Write a configuration that gets in, but for what a test says."""

    def configured(ca: Path | None = None, password: str = PASSWORD, scheme: str = "sasl") -> Path:
        tls = secured_zookeeper.tls
        lines = [
            "zookeeper-servers:",
            f"  - {{host: localhost, port: {secured_zookeeper.secure_port}, chroot: {zookeeper_root}}}",
            f"zookeeper-tls: {{ca: {ca or tls.ca}, cert: {tls.cert}, key: {tls.key}}}",
            f"zookeeper-auth: {{scheme: {scheme}, username: {USERNAME}, password: '{password}'}}",
        ]
        return write_config(tmp_path, "\n".join(lines))

    return configured


def ended(config: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command that cannot get at ZooKeeper, to its end, which comes soon and without a traceback."""
    began = time.monotonic()
    done = subprocess.run(
        [PROGRAM, "--config", config, *command], capture_output=True, text=True, timeout=60, check=False
    )
    assert time.monotonic() - began < SOON
    assert "Traceback" not in done.stdout + done.stderr
    return done


@pytest.fixture
def daemon() -> Iterator[Callable[[Path], "subprocess.Popen[str]"]]:
    """Give a function that starts the daemon, and returns once it is ready."""
    with ExitStack() as stack:

        def start(config: Path) -> "subprocess.Popen[str]":
            process = subprocess.Popen(
                [PROGRAM, "--config", config, "run", "--role", "launcher"], stderr=subprocess.PIPE, text=True
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


@pytest.mark.parametrize("command", [("list",), ("run", "--role", "launcher")])
def test_what_keeps_us_out_is_named_with_status_69(
    configure: Configure, secured_zookeeper: Secured, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """By commands and by a daemon at its start alike: an unknown authority, a wrong password."""
    where = f"ZooKeeper at {secured_zookeeper.encrypted}"
    other = Authority(tmp_path / "other").ca
    for wrong, message in (
        ({"ca": other}, f"the certificate of {where} is not signed by an authority in {other}"),
        ({"password": "wrong"}, f"{where} refuses the sasl user {USERNAME}"),
    ):
        done = ended(configure(**wrong), *command)
        assert done.returncode == 69
        assert f"nodepool-lite: error: {message}" in done.stderr
        assert done.stderr.count(where) == 1


@pytest.mark.parametrize("command", [("list",), ("run", "--role", "launcher")])
def test_a_missing_file_is_status_78(configure: Configure, tmp_path: Path, command: tuple[str, ...]) -> None:
    """It is the configuration that cannot be used; the key and the file are named, and what to do."""
    done = ended(configure(ca=tmp_path / "none.pem"), *command)
    assert done.returncode == 78
    said = done.stderr.splitlines()[-1]
    assert said.startswith(
        f"nodepool-lite: error: `ca` of `zookeeper-tls`: {tmp_path}/none.pem cannot be read: No such"
    )
    assert said.endswith("put it there, or name the file that it is in")


def test_a_pool_of_another_password_is_status_69(
    configure: Configure, secured_zookeeper: Secured, zookeeper_root: str
) -> None:
    """With `digest` the server takes any password, so it is the records that are closed."""
    ours = Access(secured_zookeeper.tls, auth("digest"))
    store = ZooKeeperStore.connect(f"{secured_zookeeper.encrypted}{zookeeper_root}", access=ours)
    store.create(make_node(1))
    store.close()
    config = configure(scheme="digest", password="wrong")
    for command in (("list",), ("run", "--role", "launcher")):
        done = ended(config, *command)
        assert done.returncode == 69
        assert (
            f"the records are not for the digest user {USERNAME} with the password of `zookeeper-auth`" in done.stderr
        )


def test_the_doctor_tells_the_way_and_what_is_wrong_with_it(
    configure: Configure, secured_zookeeper: Secured, tmp_path: Path
) -> None:
    """Whether it is encrypted, who we are, and what keeps us out."""
    where = f"localhost:{secured_zookeeper.secure_port}"
    said = ended(configure(), "doctor").stdout
    assert f"zookeeper     answers at {where}" in said
    assert f", encrypted, as sasl user {USERNAME}\n" in said
    wrong = ended(configure(password="wrong"), "doctor")
    assert wrong.returncode == 1
    assert f"missing zookeeper     ZooKeeper at {where} refuses the sasl user {USERNAME}" in wrong.stdout
    missing = ended(configure(ca=tmp_path / "none.pem"), "doctor")
    assert f"missing zookeeper     `ca` of `zookeeper-tls`: {tmp_path}/none.pem cannot be read" in missing.stdout


def test_a_daemon_closes_a_pool_that_was_open(
    configure: Configure,
    secured_zookeeper: Secured,
    zookeeper_root: str,
    daemon: Callable[[Path], "subprocess.Popen[str]"],
) -> None:
    """The doctor says so before, and the log when it is done; the password is in no output."""
    place = f"{secured_zookeeper.encrypted}{zookeeper_root}"
    before = ZooKeeperStore.connect(place, access=Access(secured_zookeeper.tls))
    before.create(make_node(1))
    before.close()
    config = configure()
    assert "records are still for everybody: restart the daemons" in ended(config, "doctor").stdout
    process = daemon(config)
    assert process.stderr is not None
    log = ""
    while "daemon.ready" not in log:
        line = process.stderr.readline()
        assert line, log
        log += line
    assert "store.sealed" in log
    said = ended(config, "doctor").stdout + ended(config, "status").stdout
    assert "restart the daemons" not in said
    assert PASSWORD not in log + said
