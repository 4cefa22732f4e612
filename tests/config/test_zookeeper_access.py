"""What nodepool.yaml may say about TLS and authentication on the way to ZooKeeper."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nodepool_lite.config.accepted import keep, meant, recall
from nodepool_lite.config.load import load, load_or_raise
from nodepool_lite.config.secrets import MASK
from nodepool_lite.config.show import show
from tests.config.conftest import said

Told = Callable[..., list[str]]
Write = Callable[[str], Path]

NAME = "a name of letters, digits, `.`, `_` and `-`, a letter or digit first"
SERVERS = "zookeeper-servers: [{host: zk1}]\n"


def test_the_form_of_nodepool_is_read(write: Write, tmp_path: Path) -> None:
    """`zookeeper-tls` with cert, key and ca means what it meant there; relative paths start at the file."""
    text = SERVERS + "zookeeper-tls: {cert: zk/client.pem, key: /keys/client.key, ca: ~/ca.pem}\n"
    tls = load_or_raise(write(text), {"HOME": "/home/nodepool"}).zookeeper_tls
    assert tls is not None
    assert (tls.cert, tls.key, tls.ca) == (
        tmp_path / "zk/client.pem",
        Path("/keys/client.key"),
        Path("/home/nodepool/ca.pem"),
    )
    assert tls.check_hostname


def test_files_that_are_not_here_are_named_at_their_place(told: Told, tmp_path: Path) -> None:
    """The file can be checked on a host that lacks them, so it is only a warning."""
    (tmp_path / "ca.pem").touch()
    assert told(SERVERS + "zookeeper-tls: {ca: ca.pem, cert: none.pem}\n") == [
        f"2:35: warning: `cert`: there is no file {tmp_path}/none.pem; every host of the pool needs it"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zookeeper-tls: yes", "2:16: `zookeeper-tls`: expected a mapping of settings, not a text"),
        ("zookeeper-tls: [ca]", "2:16: `zookeeper-tls`: expected a mapping of settings, not a list"),
        ("zookeeper-tls: {}", "2:16: the key `ca` is missing here"),
        ("zookeeper-tls: {cra: /dev/null}", "2:17: unknown key `cra`; did you mean `ca`?"),
        (
            "zookeeper-tls: {ca: /dev/null, key: /dev/null}",
            "2:37: `key` is given without `cert`; name the certificate that it belongs to",
        ),
        ("zookeeper-auth: {scheme: sasl, username: u}", "2:17: the key `password` is missing here"),
        ("zookeeper-auth: {scheme: sasl, username: u, password: }", "2:55: `password`: expected text, not nothing"),
        (
            'zookeeper-auth: {scheme: sasl, username: u, password: ""}',
            "2:55: `password`: expected some text, not an empty text",
        ),
        (
            "zookeeper-auth: {username: a b, password: x}",
            f"2:28: `username`: expected {NAME}, not a text",
        ),
        (
            "zookeeper-auth: {username: u, password: öffne dich}",
            (
                "2:41: `password`: expected ASCII with `scheme: digest`, for servers read other characters by their "
                "locale; change it, or use `scheme: sasl`"
            ),
        ),
        (
            "zookeeper-auth: {scheme: kerberos, username: u, password: x}",
            "2:26: `scheme`: expected one of 'digest' or 'sasl', not a text",
        ),
        (
            "zookeeper-auth: {username: u, password: x}",
            (
                "2:17: warning: `digest` sends the password in clear text where there is no `zookeeper-tls`; "
                "add it, or use `scheme: sasl`"
            ),
        ),
        (
            "zookeeper-auth: {scheme: sasl, username: u, password: a%(NODEPOOL_X)}",
            (
                "2:55: warning: ready-scripts are given every NODEPOOL_ variable, and so this password; "
                "write it into the file that $NODEPOOL_LITE_SECURE names"
            ),
        ),
    ],
)
def test_what_is_wrong_or_unwise_is_told(told: Told, text: str, message: str) -> None:
    """Each with its place, what was expected and what to do."""
    assert told(f"{SERVERS}{text}\n", NODEPOOL_X="y")[-1:] == [message]


def test_both_mean_nothing_for_the_pools_own_server(told: Told) -> None:
    """Whoever leaves out the servers may believe in a protection that is not there."""
    found = told("zookeeper-tls: {ca: /dev/null}\nzookeeper-auth: {username: u, password: x}\n")
    assert [each.partition(";")[0] for each in found] == [
        "1:1: warning: `zookeeper-tls` means nothing without `zookeeper-servers`",
        "2:1: warning: `zookeeper-auth` means nothing without `zookeeper-servers`",
    ]


def test_the_password_may_come_from_the_secure_file(write: Write, tmp_path: Path) -> None:
    """What both files say of the way to ZooKeeper is put together, the secure one on top."""
    secure = tmp_path / "secure.yaml"
    secure.write_text("zookeeper-auth: {password: from the other file}\nzookeeper-tls: {ca: /dev/null}\n")
    main = SERVERS + "zookeeper-auth: {scheme: sasl, username: nodepool, password: x}\n"
    loaded = load(write(main), {"NODEPOOL_LITE_SECURE": str(secure)})
    assert said(loaded) == []
    assert loaded.config is not None
    assert loaded.config.zookeeper_auth is not None
    assert (loaded.config.zookeeper_auth.username, loaded.config.zookeeper_auth.password) == (
        "nodepool",
        "from the other file",
    )
    assert loaded.config.zookeeper_tls is not None


def test_the_password_is_shown_to_nobody(write: Write) -> None:
    """Neither `config show` nor a settings object in a traceback has it, unless it is asked for."""
    file = write(SERVERS + "zookeeper-auth: {scheme: sasl, username: u, password: open sesame}\n")
    config = load_or_raise(file, {})
    assert "open sesame" not in repr(config)
    assert "open sesame" not in show(config)
    assert MASK in show(config)
    assert load_or_raise(write(show(config, masked=False)), {}) == config


def test_what_the_daemon_accepted_keeps_the_files_rights(write: Write, tmp_path: Path) -> None:
    """The copy for the commands can be read by those alone who can read the file with the password."""
    text = f"state-dir: {tmp_path}/state\n{SERVERS}zookeeper-auth: {{scheme: sasl, username: u, password: x}}\n"
    file = write(text)
    file.chmod(0o600)
    config = load_or_raise(file, {})
    keep(file, config, load(file, {}).digest)
    for name in ("accepted.yaml", "accepted.json"):
        assert (tmp_path / "state" / name).stat().st_mode & 0o777 == 0o600
    assert recall(file, {}) == meant(file, {}) == config
