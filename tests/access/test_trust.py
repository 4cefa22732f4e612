"""Certificates at a real sshd: for the right node, until their end, whatever the image was configured for."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nodepool_lite.access.certificates import sign_user_key
from nodepool_lite.access.client import known_hosts_line, ssh_command
from nodepool_lite.access.keys import KeyPair, new_host_key
from nodepool_lite.access.session import Session, connect
from nodepool_lite.access.trust import CA_FILE, DROP_IN, PRINCIPALS_FILE, install_trust

from .guest import NO_SUDO, Guest

CONFIGURED = f"TrustedUserCAKeys {CA_FILE}\nAuthorizedPrincipalsFile {PRINCIPALS_FILE}\n"
NODE = "0000000042"
CA = new_host_key()
USER_KEY = new_host_key()

Login = Callable[[Guest, str, str, float], subprocess.CompletedProcess[str]]


@pytest.fixture
def login(tmp_path: Path) -> Login:
    """Logs in by the system's ssh with the user's own key and a certificate for `node_id` that ends at `until`."""

    def run(guest: Guest, username: str, node_id: str, until: float) -> subprocess.CompletedProcess[str]:
        guest.wait_for_sshd()
        now = time.time()
        certificate = sign_user_key(
            CA, USER_KEY.public, node_id=node_id, lease_id="abcd2345", valid_from=now - 3600, valid_until=until
        )
        for name, text in (
            ("user", USER_KEY.private_openssh),
            ("user-certificate", certificate + "\n"),
            ("hosts", known_hosts_line("127.0.0.1", guest.port, guest.host_key.public)),
        ):
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o600)
        argv = ssh_command(
            guest.target(username),
            tmp_path / "user",
            tmp_path / "hosts",
            ["whoami"],
            certificate_path=tmp_path / "user-certificate",
        )
        return subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)

    return run


@pytest.fixture
def configured(tmp_path: Path, key: KeyPair) -> Iterator[Guest]:
    """A node whose image configured sshd for the pool's certificates."""
    guest = Guest.make(tmp_path, key, CONFIGURED)
    yield guest
    guest.remove()


@pytest.fixture
def session_of(key: KeyPair) -> Iterator[Callable[..., Session]]:
    """Opens sessions with the pool's key and closes them in the end."""
    sessions: list[Session] = []

    def open_session(guest: Guest, username: str = "jenkins") -> Session:
        sessions.append(connect(guest.target(username), key, 20))
        return sessions[-1]

    yield open_session
    for session in sessions:
        session.close()


def test_a_certificate_opens_its_node_for_every_user_until_it_ends(
    configured: Guest, login: Login, session_of: Callable[..., Session]
) -> None:
    """Right principal: in, as the pool's user and as root. Another node's, or after its end: out."""
    trust = install_trust(session_of(configured), CA.public, NODE)
    assert trust.works, trust.note
    later = time.time() + 3600
    assert login(configured, "jenkins", NODE, later).stdout == "jenkins\n"
    assert login(configured, "root", NODE, later).stdout == "root\n"
    refused = login(configured, "jenkins", "0000000043", later)
    assert (refused.returncode, refused.stdout) == (255, "")
    assert "Permission denied" in refused.stderr
    ended = login(configured, "jenkins", NODE, time.time() - 5)
    assert (ended.returncode, ended.stdout) == (255, "")
    assert not configured.do(f"ls -A {DROP_IN.rpartition('/')[0]}")


def test_access_ends_while_the_node_lives_on(
    configured: Guest, login: Login, session_of: Callable[..., Session]
) -> None:
    """The very certificate that opened the node does not once its time is over."""
    install_trust(session_of(configured), CA.public, NODE)
    end = int(time.time()) + 6
    assert login(configured, "jenkins", NODE, end).returncode == 0
    configured.do(f"while [ $(date +%s) -le {end} ]; do sleep 0.1; done")
    assert login(configured, "jenkins", NODE, end).returncode == 255


def test_before_anything_is_installed_nobody_gets_in(configured: Guest, login: Login) -> None:
    """An image that is only configured trusts nobody yet."""
    assert login(configured, "jenkins", NODE, time.time() + 3600).returncode == 255


def test_an_sshd_that_is_not_configured_gets_a_drop_in(
    own_guest: Guest, login: Login, session_of: Callable[..., Session]
) -> None:
    """Other people's images work too; the second time there is nothing left to do."""
    session = session_of(own_guest)
    trust = install_trust(session, CA.public, NODE)
    assert trust.works, trust.note
    assert DROP_IN in trust.note
    assert login(own_guest, "jenkins", NODE, time.time() + 3600).stdout == "jenkins\n"
    assert login(own_guest, "jenkins", "0000000043", time.time() + 3600).returncode == 255
    assert "was configured" in install_trust(session, CA.public, NODE).note


def test_an_sshd_that_was_told_to_reload_answers_when_trust_is_there(
    own_guest: Guest, login: Login, session_of: Callable[..., Session]
) -> None:
    """It begins anew, which may take a while, and nobody answers meanwhile; who has a certificate is let in at once."""
    session = session_of(own_guest)
    own_guest.do("cp /usr/sbin/sshd /opt/sshd")
    own_guest.do("printf '#!/bin/sh\\nsleep 1\\nexec /opt/sshd \"$@\"\\n' > /opt/slow; chmod +x /opt/slow")
    own_guest.do("mount --bind /opt/slow /usr/sbin/sshd")
    assert install_trust(session, CA.public, NODE).works
    socket.create_connection(("127.0.0.1", own_guest.port), 5).close()
    assert login(own_guest, "jenkins", NODE, time.time() + 3600).stdout == "jenkins\n"


def test_root_needs_no_sudo(own_guest: Guest, login: Login, session_of: Callable[..., Session]) -> None:
    """Cloud images that let root in may lack sudo."""
    own_guest.do("mv /etc/sudoers /etc/sudoers.gone")
    assert install_trust(session_of(own_guest, "root"), CA.public, NODE).works
    assert login(own_guest, "root", NODE, time.time() + 3600).stdout == "root\n"


def test_an_sshd_without_drop_ins_is_left_as_it_was(own_guest: Guest, session_of: Callable[..., Session]) -> None:
    """The answer says that certificates will not work, and why; sshd goes on as before."""
    own_guest.do("sed -i /^Include/d /etc/ssh/sshd_config")
    trust = install_trust(session_of(own_guest), CA.public, NODE)
    assert not trust.works
    assert "does not take settings" in trust.note
    assert own_guest.attempt(f"test -e {DROP_IN}")[0] == 1
    own_guest.do("rmdir /etc/ssh/sshd_config.d")
    assert "reads no /etc/ssh/sshd_config.d" in install_trust(session_of(own_guest), CA.public, NODE).note


def test_a_node_without_sudo_says_so(own_guest: Guest, session_of: Callable[..., Session]) -> None:
    """Best effort: no error, but an answer that can be shown."""
    trust = install_trust(session_of(own_guest, NO_SUDO), CA.public, NODE)
    assert not trust.works
    assert "sudo" in trust.note
