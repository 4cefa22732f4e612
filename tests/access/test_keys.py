"""The pool's keys: made once, kept private, and understood by OpenSSH."""

import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nodepool_lite.access.keys import (
    KeyPair,
    ca_key,
    cloud_config,
    fingerprint,
    new_host_key,
    new_set_key,
    pool_key,
    public_key_file,
    read_private_key,
)
from nodepool_lite.config.settings import Config
from nodepool_lite.model.errors import KeyFileError

HOST_KEY = new_host_key()


def keygen(*arguments: str) -> str:
    """Return what ssh-keygen prints."""
    return subprocess.run(["ssh-keygen", *arguments], capture_output=True, text=True, check=True).stdout


def test_the_pool_key_is_made_at_first_use_and_kept(tmp_path: Path) -> None:
    """The second start finds the key of the first; only its owner can read it."""
    config = Config(state_dir=tmp_path / "state")
    pair = pool_key(config)
    assert pool_key(config) == pair
    assert pair.path == tmp_path / "state" / "ssh" / "id_ed25519"
    assert stat.S_IMODE(pair.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(pair.path.parent.stat().st_mode) == 0o700
    assert keygen("-y", "-f", str(pair.path)).split()[:2] == pair.public.split()
    assert (tmp_path / "state" / "ssh" / "id_ed25519.pub").read_text().startswith(pair.public)
    assert {each.name for each in pair.path.parent.iterdir()} == {"id_ed25519", "id_ed25519.pub"}


def test_many_who_come_first_get_the_same_key(tmp_path: Path) -> None:
    """Launcher, builder and commands may all be the first: one key wins, and all see that one."""
    config = Config(state_dir=tmp_path)
    with ThreadPoolExecutor(8) as workers:
        pairs = list(workers.map(lambda _: pool_key(config), range(16)))
    assert len({pair.public for pair in pairs}) == 1


def test_the_ca_is_another_key_than_the_pool_key(tmp_path: Path) -> None:
    """Certificates are not signed by the key that logs in."""
    assert ca_key(tmp_path).public != pool_key(Config(state_dir=tmp_path)).public
    assert ca_key(tmp_path) == ca_key(tmp_path)


@pytest.mark.parametrize("kind", [("rsa", "-m", "PEM"), ("rsa",), ("ed25519",), ("ecdsa",)])
def test_a_configured_key_of_any_usual_kind_is_taken(tmp_path: Path, kind: tuple[str, ...]) -> None:
    """`private-key` may name any key that ssh-keygen makes without a passphrase."""
    path = tmp_path / "id"
    keygen("-q", "-N", "", "-f", str(path), "-t", *kind)
    pair = pool_key(Config(state_dir=tmp_path / "state", private_key=path))
    assert pair.public.split() == (tmp_path / "id.pub").read_text().split()[:2]
    assert pair.path == path
    assert not (tmp_path / "state").exists()


def test_a_configured_key_that_is_missing_is_not_made(tmp_path: Path) -> None:
    """The error names the file and how to make it."""
    with pytest.raises(KeyFileError, match=r"nowhere; make one with `ssh-keygen"):
        pool_key(Config(state_dir=tmp_path, private_key=tmp_path / "nowhere"))


@pytest.mark.parametrize("form", [(), ("-m", "PEM")])
def test_a_key_with_a_passphrase_is_refused(tmp_path: Path, form: tuple[str, ...]) -> None:
    """Nobody is there to type it."""
    keygen("-q", "-t", "rsa", *form, "-N", "secret", "-f", str(tmp_path / "id"))
    with pytest.raises(KeyFileError, match="passphrase"):
        pool_key(Config(state_dir=tmp_path, private_key=tmp_path / "id"))


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", HOST_KEY.public.encode(), b"\x80\xff"],
    ids=["empty", "text", "damaged", "public", "no text"],
)
def test_what_is_no_private_key_is_told(tmp_path: Path, content: bytes) -> None:
    """The error names the file."""
    (tmp_path / "id").write_bytes(content)
    with pytest.raises(KeyFileError, match=r"/id: not a private SSH key"):
        pool_key(Config(state_dir=tmp_path, private_key=tmp_path / "id"))


def test_images_take_the_public_half_from_a_file_that_follows_the_key(tmp_path: Path) -> None:
    """Another key, another content; otherwise the file is left alone."""
    path = public_key_file(tmp_path / "state", HOST_KEY)
    assert path.read_text().split()[:2] == HOST_KEY.public.split()
    before = path.stat().st_mtime_ns
    assert public_key_file(tmp_path / "state", HOST_KEY).stat().st_mtime_ns == before
    other = new_host_key()
    assert public_key_file(tmp_path / "state", other).read_text().split()[:2] == other.public.split()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_state_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The error says what to do instead of showing a traceback."""
    (tmp_path / "ssh").write_text("a file where a directory should be")
    with pytest.raises(KeyFileError, match=r"id_ed25519: cannot be read \(Not a directory\); run as"):
        pool_key(Config(state_dir=tmp_path))


def test_a_private_key_is_in_no_repr() -> None:
    """What is logged by accident holds no secret."""
    assert "PRIVATE" not in repr(HOST_KEY)
    assert HOST_KEY.public in repr(HOST_KEY)


def test_the_fingerprint_is_the_one_ssh_keygen_prints(tmp_path: Path) -> None:
    """People compare the two."""
    (tmp_path / "key.pub").write_text(HOST_KEY.public)
    assert fingerprint(HOST_KEY.public) in keygen("-l", "-f", str(tmp_path / "key.pub"))


def test_a_set_key_is_rsa_and_survives_reading_back(tmp_path: Path) -> None:
    """Its file is called id_rsa, and OpenSSH reads it."""
    pair = new_set_key()
    path = tmp_path / "id_rsa"
    path.write_text(pair.private_openssh)
    path.chmod(0o600)
    assert pair.public.startswith("ssh-rsa ")
    assert keygen("-y", "-f", str(path)).split()[:2] == pair.public.split()
    assert read_private_key(path.read_text()) == pair


@given(st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,20}[a-zA-Z0-9])?(\.[a-z0-9]{1,9})?", fullmatch=True))
def test_cloud_config_says_to_yaml_what_was_meant(hostname: str) -> None:
    """Names such as `1e5`, `no` and `0x1f` stay names, and the key is byte for byte the key."""
    text = cloud_config(hostname, HOST_KEY)
    assert text.startswith("#cloud-config\nhostname: ")
    assert yaml.safe_load(text) == {
        "hostname": hostname,
        "ssh_deletekeys": True,
        "ssh_genkeytypes": [],
        "ssh_keys": {"ed25519_private": HOST_KEY.private_openssh, "ed25519_public": HOST_KEY.public},
    }


def test_cloud_config_has_the_form_that_the_guest_reads() -> None:
    """The elements' own script reads these lines without a YAML library."""
    lines = cloud_config("debian-12-0000000042", KeyPair("-----BEGIN\nAAAA\n-----END\n", "ssh-ed25519 BBBB"))
    assert lines.splitlines() == [
        "#cloud-config",
        "hostname: debian-12-0000000042",
        "ssh_deletekeys: true",
        "ssh_genkeytypes: []",
        "ssh_keys:",
        "  ed25519_private: |",
        "    -----BEGIN",
        "    AAAA",
        "    -----END",
        "  ed25519_public: ssh-ed25519 BBBB",
    ]


@pytest.mark.parametrize("hostname", ["", "-a", "a-", "a..b", "a b", "a\nb", "a:b", "$(x)", "a_b"])
def test_what_is_no_host_name_gets_no_user_data(hostname: str) -> None:
    """Nothing can be smuggled into the user-data through a name."""
    with pytest.raises(ValueError, match="not a host name"):
        cloud_config(hostname, HOST_KEY)
