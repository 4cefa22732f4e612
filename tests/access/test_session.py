"""Logging in and running commands: what works, what is told apart when it does not, and that nothing hangs."""

import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from nodepool_lite.access.keys import KeyPair, fingerprint, new_host_key, new_set_key
from nodepool_lite.access.session import Session, Target, connect, login_test
from nodepool_lite.access.shell import RUNNER, FileContent, program, write_files
from nodepool_lite.model.errors import (
    HostKeyMismatchError,
    LoginRefusedError,
    NotYetReachableError,
    RemoteError,
    SessionLostError,
)

from .guest import NO_SUDO, Guest


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail when the block takes longer."""
    start = time.monotonic()
    yield
    assert time.monotonic() - start < seconds


@contextmanager
def peer(answer: bytes, *, hang_up: bool = False) -> Iterator[Target]:
    """Something that is no sshd: takes one connection, sends `answer`, and stays silent or hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as taken:

        def serve() -> None:
            connection = taken.enter_context(server.accept()[0])
            connection.sendall(answer)
            if hang_up:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield Target("127.0.0.1", server.getsockname()[1], "jenkins")
        thread.join(10)


def test_a_command_gives_its_status_and_both_outputs(session: Session) -> None:
    """What a command wrote and how it ended comes back as it was."""
    result = session.run("printf out; printf err >&2; exit 7", 20)
    assert (result.exit_status, result.stdout, result.stderr) == (7, b"out", b"err")


def test_large_outputs_on_both_streams_do_not_block_each_other(session: Session) -> None:
    """Three times the SSH window on stderr while stdout is open is read to the end; memory is bounded."""
    result = session.run("head -c 6000000 /dev/zero >&2; head -c 6000000 /dev/zero; exit 3", 60)
    assert (result.exit_status, len(result.stdout), len(result.stderr)) == (3, 4 * 1024**2, 4 * 1024**2)


def test_a_command_that_a_signal_ended_says_so(session: Session) -> None:
    """A killed command has no exit status, and the session lives on."""
    assert session.run("kill -9 $$", 20).exit_status == -1
    login_test(session)


def test_noise_of_login_files_is_left_out(own_guest: Guest, key: KeyPair) -> None:
    """A talkative .bashrc changes no answer."""
    own_guest.do("echo 'echo Welcome; echo here' > /home/jenkins/.bashrc")
    session = connect(own_guest.target(), key, 20)
    assert session.run("echo", 20).stdout.startswith(b"Welcome")
    login_test(session)
    assert session.script("echo only this", 20).stdout == b"only this\n"
    session.close()


def test_a_login_without_a_shell_is_told(own_guest: Guest, key: KeyPair) -> None:
    """A user with nologin as shell passes the login, and fails the login test."""
    own_guest.do("sed -i '/^nosudo/s,/bin/bash,/usr/sbin/nologin,' /etc/passwd")
    session = connect(own_guest.target(NO_SUDO), key, 20)
    with pytest.raises(RemoteError, match="runs no shell"):
        login_test(session)
    session.close()


def test_a_command_that_does_not_read_its_input_is_judged_by_its_end(guest: Guest, key: KeyPair) -> None:
    """Its end may come while we are still sending."""
    session = connect(guest.target(), key, 20)
    assert session.run("exit 3", 60, bytes(20_000_000)).exit_status == 3
    session.close()


def test_the_key_seen_at_first_contact_is_returned(guest: Guest, key: KeyPair) -> None:
    """With nothing pinned, the session tells which key answered, to be pinned from then on."""
    session = connect(guest.target(host_key=None), key, 20)
    assert session.host_key == guest.host_key.public
    session.close()


def test_another_host_key_than_the_pinned_one_is_refused(guest: Guest, key: KeyPair) -> None:
    """The error names both fingerprints, and nobody logged in."""
    other = new_host_key().public
    with pytest.raises(HostKeyMismatchError) as caught:
        connect(guest.target(host_key=other), key, 20)
    assert fingerprint(other) in str(caught.value)
    assert fingerprint(guest.host_key.public) in str(caught.value)


def test_a_pinned_key_of_a_type_that_is_not_offered_is_a_mismatch(guest: Guest, key: KeyPair) -> None:
    """A server that has no key of the pinned type is not the pinned server."""
    other = new_set_key().public
    with pytest.raises(HostKeyMismatchError, match="no key of that type") as caught:
        connect(guest.target(host_key=other), key, 20)
    assert fingerprint(other) in str(caught.value)


def test_the_pinned_key_is_used_where_the_server_has_several(own_guest: Guest, key: KeyPair) -> None:
    """A server that prefers another type is asked for the pinned one."""
    own_guest.do("ssh-keygen -q -t rsa -b 2048 -N '' -f /etc/ssh/ssh_host_rsa_key")
    own_guest.do("echo 'HostKey /etc/ssh/ssh_host_rsa_key' > /etc/ssh/sshd_config.d/rsa.conf")
    own_guest.reboot()
    rsa = " ".join(own_guest.do("cat /etc/ssh/ssh_host_rsa_key.pub").split()[:2])
    for pinned in (rsa, own_guest.host_key.public):
        session = connect(own_guest.target(host_key=pinned), key, 20)
        assert session.host_key == pinned
        session.close()


def test_a_key_that_is_not_let_in_is_told(guest: Guest) -> None:
    """The error names the key by its fingerprint; while a machine boots it may pass."""
    stranger = new_host_key()
    with pytest.raises(LoginRefusedError) as caught:
        connect(guest.target(), stranger, 20)
    assert fingerprint(stranger.public) in str(caught.value)


def test_an_rsa_key_of_the_pool_logs_in(own_guest: Guest) -> None:
    """Pools that come from the old dialect have an RSA key in PEM form."""
    rsa = new_set_key()
    own_guest.do(f"echo '{rsa.public}' >> /home/jenkins/.ssh/authorized_keys")
    session = connect(own_guest.target(), rsa, 20)
    login_test(session)
    session.close()


def test_nobody_listening_is_not_yet_reachable(key: KeyPair) -> None:
    """A refused connection means: try again."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(NotYetReachableError, match="refused"):
            connect(Target("127.0.0.1", sock.getsockname()[1], "jenkins"), key, 5)


def test_a_peer_that_says_nothing_is_given_up_early(key: KeyPair) -> None:
    """A user-mode network takes connections for a machine that is not there yet: connecting anew gets in sooner."""
    with peer(b"") as target, within(8), pytest.raises(NotYetReachableError, match="banner"):
        connect(target, key, 16)


def test_a_peer_that_says_nothing_more_is_not_yet_reachable(key: KeyPair) -> None:
    """What begins like an sshd and stays silent costs the time-out, no more."""
    begins = peer(b"SSH-2.0-OpenSSH_9.9\r\n")
    with begins as target, within(20), pytest.raises(NotYetReachableError, match="no answer within 1 s"):
        connect(target, key, 1)


def test_a_peer_that_talks_nonsense_and_hangs_up_is_not_yet_reachable(key: KeyPair) -> None:
    """What answers before sshd does is no error to give up for."""
    with peer(b"HTTP/1.1 400\r\n\r\n", hang_up=True) as target, within(20), pytest.raises(NotYetReachableError):
        connect(target, key, 4)


def test_a_frozen_sshd_does_not_hang_a_login(own_guest: Guest, key: KeyPair) -> None:
    """The kernel takes the connection and nobody answers: the time-out ends it, and it works again later."""
    own_guest.freeze()
    with within(20), pytest.raises(NotYetReachableError, match="banner"):
        connect(own_guest.target(), key, 2)
    own_guest.thaw()
    connect(own_guest.target(), key, 20).close()


def test_a_frozen_sshd_does_not_hang_a_command(own_guest: Guest, key: KeyPair) -> None:
    """A session whose peer stops answering is given up and closed."""
    session = connect(own_guest.target(), key, 20)
    own_guest.freeze()
    with within(20), pytest.raises(SessionLostError, match="within 2 s"):
        session.run("true", 2)
    assert not session.alive
    own_guest.thaw()


def test_a_frozen_sshd_does_not_hang_an_upload(own_guest: Guest, key: KeyPair) -> None:
    """More data than all buffers on the way can take, towards a peer that reads nothing."""
    session = connect(own_guest.target(), key, 20)
    own_guest.freeze()
    with within(20), pytest.raises(SessionLostError):
        session.put({"/tmp/large": FileContent(bytes(32 * 1024**2))}, timeout=3)
    own_guest.thaw()


def test_a_command_that_takes_too_long_ends_the_session(session: Session) -> None:
    """The time-out of a command holds while the peer is well, too."""
    with within(20), pytest.raises(SessionLostError, match="did not finish a command within 1 s"):
        session.run("sleep 60", 1)
    with pytest.raises(SessionLostError):
        session.run("true", 5)


def test_a_machine_that_vanishes_is_a_lost_session(own_guest: Guest, key: KeyPair) -> None:
    """Commands in flight end with an error at once, not at their time-out."""
    session = connect(own_guest.target(), key, 20)
    with within(20), pytest.raises(SessionLostError):
        session.run("pkill -9 -u jenkins sshd", 30)
    assert not session.alive


def test_closed_sessions_and_failed_logins_leave_nothing_open(guest: Guest, key: KeyPair) -> None:
    """A launcher logs in for weeks: neither sockets nor threads may pile up."""

    def use() -> None:
        session = connect(guest.target(), key, 20)
        login_test(session)
        session.close()
        with pytest.raises(LoginRefusedError):
            connect(guest.target(), new_host_key(), 20)
        with pytest.raises(HostKeyMismatchError):
            connect(guest.target(host_key=new_host_key().public), key, 20)

    def settled(files: int, threads: int) -> bool:
        return len(list(Path("/proc/self/fd").iterdir())) <= files and threading.active_count() <= threads

    use()
    before = len(list(Path("/proc/self/fd").iterdir())), threading.active_count()
    for _ in range(5):
        use()
    deadline = time.monotonic() + 10
    while not settled(*before):
        assert time.monotonic() < deadline, (before, threading.enumerate())
        time.sleep(0.05)


def test_files_appear_whole_with_owner_and_mode(guest: Guest, session: Session) -> None:
    """Binary content, several directories, made where missing, in one round trip."""
    data = secrets.token_bytes(100_000)
    names = {"/home/jenkins/a/b/data": FileContent(data, 0o600), "/home/jenkins/empty file": FileContent(b"")}
    session.put(names)
    assert guest.do("stat -c '%a %U %s' /home/jenkins/a/b/data '/home/jenkins/empty file'").split() == [
        *("600", "jenkins", "100000"),
        *("644", "jenkins", "0"),
    ]
    assert session.run("cat a/b/data", 20).stdout == data
    assert guest.do("ls -A /home/jenkins/a/b") == "data\n"


def test_sudo_writes_where_the_user_may_not_and_the_user_owns_it(guest: Guest, session: Session) -> None:
    """A directory of root takes the file by sudo; the login user still owns it, and can read its own secret."""
    session.put({"/etc/nodepool/id_rsa": FileContent(b"secret", 0o600)})
    assert guest.do("stat -c '%a %U' /etc/nodepool/id_rsa") == "600 jenkins\n"


def test_files_of_root_belong_to_root(guest: Guest, session: Session) -> None:
    """What sshd trusts must not belong to a user."""
    session.put({"/etc/nodepool-ssh/principals": FileContent(b"x\n")}, as_root=True)
    assert guest.do("stat -c '%a %U' /etc/nodepool-ssh/principals") == "644 root\n"


def test_without_sudo_the_error_says_what_could_not_be_written(guest: Guest, key: KeyPair) -> None:
    """The message names the file and what the node said; nothing was left behind."""
    session = connect(guest.target(NO_SUDO), key, 20)
    with pytest.raises(RemoteError, match=r"/etc/forbidden/file.*sudo"):
        session.put({"/etc/forbidden/file": FileContent(b"x"), "/home/nosudo/too": FileContent(b"x")})
    session.close()
    assert guest.attempt("test -e /etc/forbidden || test -e /home/nosudo/too")[0] == 1


def test_a_writable_directory_needs_no_sudo(guest: Guest, key: KeyPair) -> None:
    """The article's world-writable /etc/nodepool works for a user without sudo."""
    guest.do("mkdir -p /etc/open && chmod 0777 /etc/open")
    session = connect(guest.target(NO_SUDO), key, 20)
    session.put({"/etc/open/role": FileContent(b"primary\n")})
    session.close()
    assert guest.do("cat /etc/open/role; stat -c %U /etc/open/role") == "primary\nnosudo\n"


def test_a_program_that_arrives_in_part_does_nothing(guest: Guest, session: Session) -> None:
    """A connection that breaks half-way through leaves no half-written file, wherever it breaks."""
    body = write_files({"/home/jenkins/part": FileContent(b"whole" * 50)}, root=False)
    whole = program(f"touch /home/jenkins/ran\n{body}", "mark")
    for length in range(10, len(whole) - 2, 37):
        session.run(RUNNER, 20, whole[:length])
    assert guest.do("ls -A /home/jenkins | grep -c -e part -e ran || true") == "0\n"
    session.run(RUNNER, 20, whole)
    assert guest.do("cat /home/jenkins/part") == "whole" * 50


@pytest.mark.parametrize("path", ["relative", "/with\nbreak", "/with\0nul", "/", ""])
def test_paths_that_make_no_sense_are_refused(session: Session, path: str) -> None:
    """Only absolute paths on one line go to a node."""
    with pytest.raises(ValueError, match="not the absolute path"):
        session.put({path: FileContent(b"")})


@pytest.mark.parametrize("name", ["it's", 'a"b', "$(reboot)", "`id`", "a;b", "-rf", "x y", "ü", "\\", "*", "!!", "&"])
def test_names_with_shell_metacharacters_are_only_names(guest: Guest, session: Session, name: str) -> None:
    """No character of a path means anything to the node's shell."""
    session.put({f"/home/jenkins/{name}/{name}": FileContent(name.encode())})
    assert session.script('cat "$HOME"/*/*; rm -rf "$HOME"/*', 20).stdout == name.encode()
