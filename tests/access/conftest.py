"""Stand-ins for nodes, with a real sshd each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nodepool_lite.access.keys import KeyPair, new_host_key
from nodepool_lite.access.session import Session, connect

from .guest import Guest


@pytest.fixture(scope="session")
def key() -> KeyPair:
    """The pool's key, which every stand-in lets in."""
    return new_host_key()


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory, key: KeyPair) -> Iterator[Guest]:
    """A stand-in shared by the tests of a module, which leave it as they found it."""
    guest = Guest.make(tmp_path_factory.mktemp("guest"), key)
    yield guest
    guest.remove()


@pytest.fixture
def own_guest(tmp_path: Path, key: KeyPair) -> Iterator[Guest]:
    """A stand-in for one test, which may do to it what it likes."""
    guest = Guest.make(tmp_path, key)
    yield guest
    guest.remove()


@pytest.fixture
def session(guest: Guest, key: KeyPair) -> Iterator[Session]:
    """A session of `jenkins` on the shared stand-in."""
    session = connect(guest.target(), key, 20)
    yield session
    session.close()
