"""The ssh client's argument list, against a real sshd and with nothing but the pinned key trusted."""

import subprocess
from pathlib import Path

import pytest

from nodepool_lite.access.client import known_hosts_line, ssh_command
from nodepool_lite.access.keys import KeyPair, new_host_key
from nodepool_lite.access.session import Target

from .guest import Guest


@pytest.fixture
def files(tmp_path: Path, guest: Guest, key: KeyPair) -> tuple[Path, Path]:
    """A key file and a known_hosts file, under a path that ssh's options have to be shown as it is."""
    folder = tmp_path / 'a b%h"c'
    folder.mkdir()
    (folder / "id").write_text(key.private_openssh)
    (folder / "id").chmod(0o600)
    (folder / "hosts").write_text(known_hosts_line("127.0.0.1", guest.port, guest.host_key.public))
    return folder / "id", folder / "hosts"


def ssh(argv: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the client without a terminal, and with an agent that it must not ask."""
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False)


def test_a_line_is_run_by_the_remote_shell(guest: Guest, files: tuple[Path, Path]) -> None:
    """One argument is a command line, as people type it; its status is the client's."""
    result = ssh(ssh_command(guest.target(), *files, ["echo $((40 + 2)); exit 9"]))
    assert (result.returncode, result.stdout, result.stderr) == (9, "42\n", "")


def test_several_words_are_run_word_for_word(guest: Guest, files: tuple[Path, Path]) -> None:
    """Nothing in them means anything to the remote shell."""
    words = ["printf", "%s|", "a b", "$(id)", "'", "*", ""]
    assert ssh(ssh_command(guest.target(), *files, words)).stdout == "a b|$(id)|'|*||"


def test_another_host_key_ends_the_client(guest: Guest, key: KeyPair, files: tuple[Path, Path]) -> None:
    """A machine that took the address over is never talked to."""
    files[1].write_text(known_hosts_line("127.0.0.1", guest.port, new_host_key().public))
    result = ssh(ssh_command(guest.target(), *files, ["echo in"]))
    assert result.returncode == 255
    assert "in" not in result.stdout.split()
    assert "host key" in result.stderr.lower()


def test_an_unknown_host_is_refused_and_not_learnt(guest: Guest, files: tuple[Path, Path]) -> None:
    """No question, no entry: only what was pinned counts."""
    files[1].write_text("")
    assert ssh(ssh_command(guest.target(), *files, ["echo in"])).returncode == 255
    assert files[1].read_text() == ""


def test_no_command_opens_a_shell() -> None:
    """The argument list ends with the host, which cannot be taken for an option."""
    argv = ssh_command(Target("-oProxyCommand=x", 22, "jenkins"), Path("/k"), Path("/h"))
    assert argv[:3] == ["ssh", "-F", "none"]
    assert argv[-2:] == ["--", "-oProxyCommand=x"]


@pytest.mark.parametrize("port", [22, 22001])
def test_ssh_keygen_finds_the_line(tmp_path: Path, port: int) -> None:
    """The form is the one that OpenSSH looks for, with and without a port of its own."""
    path = tmp_path / "hosts"
    public = new_host_key().public
    path.write_text(known_hosts_line("192.0.2.7", port, f"{public} a comment"))
    name = "192.0.2.7" if port == 22 else "[192.0.2.7]:22001"
    found = subprocess.run(["ssh-keygen", "-F", name, "-f", path], capture_output=True, text=True, check=True)
    assert public in found.stdout
