"""Getting into nodes over SSH, for the executors: one kept connection per node, its host key pinned."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from nodepool_lite.access.info import Address, NodeInfo, info_files, read_set_key
from nodepool_lite.access.keys import KeyPair, new_set_key
from nodepool_lite.access.script import (
    ScriptStart,
    ScriptStatus,
    Verification,
    place_scripts,
    poll_script,
    start_script,
    verify,
)
from nodepool_lite.access.session import Session, Target, login_test
from nodepool_lite.access.sessions import SessionPool
from nodepool_lite.access.trust import install_trust
from nodepool_lite.config.settings import Config
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.errors import NotYetReachableError
from nodepool_lite.model.node import Node

CONNECT_TIMEOUT = 20.0
"""Seconds for one attempt to log in: a machine without hardware virtualisation needs several while it boots."""


class SshReach:
    """The real thing; called from any worker, one action per node at a time."""

    def __init__(self, config: Callable[[], Config], key: KeyPair, ca_public: str, clock: Clock) -> None:
        self._config = config
        self._ca_public = ca_public
        self._sessions = SessionPool(key, clock)
        self._set_lock = threading.Lock()
        """Two members of a set must not each be given a key pair of their own."""

    def login(self, node: Node) -> str:
        """Run a command over a fresh connection, which is kept for what follows; returns the public host key."""
        self._sessions.forget(node.id)
        with self._session(node) as session:
            login_test(session)
            return session.host_key

    def write_info(self, node: Node, members: tuple[Node, ...]) -> None:
        """Write /etc/nodepool on every member of the set, and make this node's sshd trust the pool's certificates."""
        with self._session(node) as session:
            install_trust(session, self._ca_public, node.id)
            if len(members) == 1:
                pair = read_set_key(session, node.server_id or "") or new_set_key()
                session.put(info_files(self._info(node, members), pair))
                return
        with self._set_lock:
            pair = self._known_pair(members) or new_set_key()
            for member in members:
                with self._session(member) as session:
                    session.put(info_files(self._info(member, members), pair))

    def start_script(self, node: Node, start: ScriptStart) -> None:
        """Start a ready-script detached, once per run id."""
        with self._session(node) as session:
            start_script(session, start)

    def poll_script(self, node: Node, run_id: str, offset: int) -> ScriptStatus:
        """Return how far the run is, and its output since `offset`."""
        with self._session(node) as session:
            return poll_script(session, run_id, offset)

    def place_scripts(self, node: Node, files: Mapping[str, bytes]) -> None:
        """Put files where ready-scripts are."""
        with self._session(node) as session:
            place_scripts(session, files)

    def verify(self, node: Node, call: Verification) -> bool:
        """Run a verify-script, and tell whether it is on the node; raises VerifyError with what it said."""
        with self._session(node) as session:
            return verify(session, call)

    def forget(self, node_id: str) -> None:
        """Close what is open towards a node."""
        self._sessions.forget(node_id)

    def close(self) -> None:
        """Close every connection."""
        self._sessions.close()

    @contextmanager
    def _session(self, node: Node) -> Iterator[Session]:
        if node.address is None:
            raise NotYetReachableError(f"node {node.id} has no address yet")
        target = Target(node.address, node.port, node.username, node.host_key)
        with self._sessions.use(node.id, target, CONNECT_TIMEOUT) as session:
            yield session

    def _known_pair(self, members: tuple[Node, ...]) -> KeyPair | None:
        """Return the pair that an earlier launcher gave to the set, if one of its nodes has it."""
        for member in members:
            with self._session(member) as session:
                pair = read_set_key(session, member.server_id or "")
            if pair is not None:
                return pair
        return None

    def _info(self, node: Node, members: tuple[Node, ...]) -> NodeInfo:
        provider = self._config().provider(node.provider)
        return NodeInfo(
            role="primary" if node.primary is None else "sub",
            server_id=node.server_id or "",
            node=_address(node),
            primary=_address(members[0]),
            subs=tuple(_address(member) for member in members[1:]),
            provider=node.provider,
            cloud="" if provider is None else provider.cloud,
            region="" if provider is None else provider.region_name,
            az=node.az,
            label=node.made_as,
            peers=_peers(node, members),
        )


def _peers(node: Node, members: tuple[Node, ...]) -> Mapping[str, tuple[Address, ...]]:
    """Return the others of a node's set by the label that they are made as; none for a label that only it has."""
    labels = dict.fromkeys(each.made_as for each in members)
    others = [each for each in members if each.id != node.id]
    return {label: tuple(_address(each) for each in others if each.made_as == label) for label in labels}


def _address(node: Node) -> Address:
    return Address(public=node.address or "", private=node.private_address or "")
