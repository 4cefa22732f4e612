"""Whether what a file says about the way to ZooKeeper goes together, and whether the files it names are here."""

from collections.abc import Mapping
from pathlib import Path

from nodepool_lite.config.files import exists
from nodepool_lite.config.finish import absolute
from nodepool_lite.config.problem import Report
from nodepool_lite.config.tree import Item

TLS, AUTH = "zookeeper-tls", "zookeeper-auth"


def check_zookeeper(root: Item, base: Path, environ: Mapping[str, str], report: Report) -> None:
    """Report what is wrong or unwise in `zookeeper-tls` and `zookeeper-auth` of a native tree."""
    tls, auth = (_given(root.get(key)) for key in (TLS, AUTH))
    for key, item in ((TLS, tls), (AUTH, auth)):
        if item is not None and not root.each("zookeeper-servers"):
            why = "the pool's own ZooKeeper is on loopback, and has a secret of its own"
            report.warning(item.key_at or item.at, f"`{key}` means nothing without `zookeeper-servers`", why)
    if tls is not None:
        _tls(tls, base, environ, report)
    if auth is not None:
        _auth(auth, report, encrypted=tls is not None)


def _given(item: Item | None) -> Item | None:
    return item if item is not None and item.entries else None


def _tls(tls: Item, base: Path, environ: Mapping[str, str], report: Report) -> None:
    if tls.word("key") and not tls.word("cert"):
        report.error(tls.place("key"), "`key` is given without `cert`", "name the certificate that it belongs to")
    for key in ("ca", "cert", "key"):
        path = absolute(Path(tls.word(key)), base, environ)
        if tls.word(key) and not exists(path):
            report.warning(tls.place(key), f"`{key}`: there is no file {path}", "every host of the pool needs it")


def _auth(auth: Item, report: Report, *, encrypted: bool) -> None:
    if auth.word("scheme") in {"", "digest"} and not encrypted:
        message = f"`digest` sends the password in clear text where there is no `{TLS}`"
        report.warning(auth.place("scheme"), message, "add it, or use `scheme: sasl`")
    password = auth.get("password")
    if password is None or password.text is None:
        return
    if auth.word("scheme") in {"", "digest"} and not password.text.isascii():
        message = "`password`: expected ASCII with `scheme: digest`, for servers read other characters by their locale"
        report.error(password.at, message, "change it, or use `scheme: sasl`")
    if password.raw != password.text:
        message = "ready-scripts are given every NODEPOOL_ variable, and so this password"
        report.warning(password.at, message, "write it into the file that $NODEPOOL_LITE_SECURE names")
