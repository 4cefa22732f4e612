"""Certificates: what ssh-keygen reads in them, and which public keys are refused with which words."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nodepool_lite.access.certificates import CLOCK_SKEW, check_public_key, sign_user_key
from nodepool_lite.access.keys import KeyPair, new_host_key, new_set_key
from nodepool_lite.model.errors import KeyFileError, PublicKeyError

CA = new_host_key()
NOW = 1_700_000_000
ED25519 = new_host_key().public


def sign(public_key: str, ca: KeyPair = CA) -> str:
    """Return a certificate with the usual rest."""
    return sign_user_key(
        ca, public_key, node_id="0000000042", lease_id="abcd2345", valid_from=NOW + 0.7, valid_until=NOW + 3600.9
    )


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_ssh_keygen_reads_what_was_signed(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Principal, identity, times, signer and permissions are what a plain login for one node needs."""
    monkeypatch.setenv("TZ", "UTC")
    path = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path, "-C", "a comment"], check=True)
    (tmp_path / "id-cert.pub").write_text(sign((tmp_path / "id.pub").read_text()) + "\n")
    shown = subprocess.run(
        ["ssh-keygen", "-L", "-f", tmp_path / "id-cert.pub"], capture_output=True, text=True, check=True
    ).stdout
    fields = [line.strip() for line in shown.splitlines()]
    begin, end = (
        datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S") for at in (NOW - CLOCK_SKEW, NOW + 3600)
    )
    assert f"Valid: from {begin} to {end}" in fields
    assert 'Key ID: "lease abcd2345 node 0000000042"' in fields
    assert fields[fields.index("Principals:") + 1] == "0000000042"
    assert fields[fields.index("Principals:") + 2] == "Critical Options: (none)"
    assert fields[fields.index("Extensions:") + 1 :] == [
        "permit-X11-forwarding",
        "permit-agent-forwarding",
        "permit-port-forwarding",
        "permit-pty",
        "permit-user-rc",
    ]
    assert any(field.startswith("Type: ") and "user certificate" in field for field in fields)


def test_two_certificates_differ_in_their_serial() -> None:
    """Logs of sshd tell them apart."""
    assert sign(ED25519) != sign(ED25519)


def test_a_good_key_is_returned_without_its_comment() -> None:
    """Comments of people do not travel into records."""
    assert check_public_key(f"  {ED25519} alice@laptop (work)\n") == ED25519


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param("", "empty; give the file that ends in .pub", id="empty"),
        pytest.param(" \n ", "empty", id="blank"),
        pytest.param(CA.private_openssh, "private key, which never leaves its owner", id="private"),
        pytest.param(f"{ED25519}\n{ED25519}", "found 2 lines", id="two"),
        pytest.param("hello", "not an OpenSSH public key", id="text"),
        pytest.param("ssh-ed25519", "not an OpenSSH public key", id="only-a-type"),
        pytest.param("ssh-ed25519 AAAA", "not an OpenSSH public key", id="cut-off"),
        pytest.param("ssh-rsa " + ED25519.split()[1], "not an OpenSSH public key", id="another-type"),
        pytest.param(f'command="x" {ED25519}', "not an OpenSSH public key", id="options"),
        pytest.param(sign(ED25519), "that is a certificate", id="certificate"),
        pytest.param("sk-ssh-ed25519@openssh.com AAAA", "security token", id="token"),
        pytest.param("ssh-dss AAAAB3NzaC1kc3MAAACB alice@1999", "ssh-dss keys are too weak", id="dsa"),
        pytest.param("ssh-ed25519 \u00c4\u00d6\u00dc", "not an OpenSSH public key", id="umlauts"),
    ],
)
def test_what_cannot_be_certified_is_refused_in_words(given: str, words: str) -> None:
    """Each mistake that people make gets its own sentence, before anything is recorded."""
    with pytest.raises(PublicKeyError, match=words):
        check_public_key(given)
    with pytest.raises(PublicKeyError, match=words):
        sign(given)


def test_a_short_rsa_key_is_too_weak(tmp_path: Path) -> None:
    """The message says how long it is, how long it must be, and how to make a better one."""
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", tmp_path / "id"], check=True)
    with pytest.raises(PublicKeyError, match="1024 bits and 2048 are needed"):
        check_public_key((tmp_path / "id.pub").read_text())


def test_another_kind_of_ca_is_refused() -> None:
    """The CA is the one that the pool made."""
    with pytest.raises(KeyFileError, match="has to be an ed25519 key"):
        sign(ED25519, ca=new_set_key())
