"""The files under /etc/nodepool that tell a node, and its ready-script, what it is and who its peers are."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from nodepool_lite.access.keys import KeyPair, read_private_key
from nodepool_lite.access.session import Session
from nodepool_lite.access.shell import FileContent
from nodepool_lite.model.errors import KeyFileError

INFO_DIR = "/etc/nodepool"


@dataclass(frozen=True, slots=True)
class Address:
    """Where other machines reach a node; `private` falls back to `public` where a cloud has only one network."""

    public: str
    private: str = ""

    @property
    def inner(self) -> str:
        """The address for peers of the same cloud."""
        return self.private or self.public


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """What one node of a set is told. A node that stands alone is its own primary."""

    role: Literal["primary", "sub"]
    server_id: str
    node: Address
    primary: Address
    subs: tuple[Address, ...]
    provider: str
    cloud: str = ""
    region: str = ""
    az: str = ""
    label: str = ""
    """The label that the node is made as."""
    peers: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)
    """Each label of the set, and the other nodes of the set that are made as it."""


def info_files(info: NodeInfo, set_key: KeyPair) -> Mapping[str, FileContent]:
    """Return the files by their absolute paths: addresses one a line, `provider` to be sourced by a shell.

    `uuid` comes last: once it is there, the others (and the key above all) are complete.
    """
    files = {
        "role": _line(info.role),
        "node": _line(info.node.public),
        "node_private": _line(info.node.inner),
        "primary_node": _line(info.primary.public),
        "primary_node_private": _line(info.primary.inner),
        "sub_nodes": _line(*(sub.public for sub in info.subs)),
        "sub_nodes_private": _line(*(sub.inner for sub in info.subs)),
        "id_rsa": FileContent(set_key.private_openssh.encode(), 0o600),
        "id_rsa.pub": _line(set_key.public),
        "provider": _line(
            f"NODEPOOL_PROVIDER={shlex.quote(info.provider)}",
            f"NODEPOOL_CLOUD={shlex.quote(info.cloud)}",
            f"NODEPOOL_REGION={shlex.quote(info.region)}",
            f"NODEPOOL_AZ={shlex.quote(info.az)}",
        ),
        "label": _line(info.label),
        **_peers(info.peers),
        "uuid": _line(info.server_id),
    }
    return {f"{INFO_DIR}/{name}": content for name, content in files.items()}


def _peers(peers: Mapping[str, tuple[Address, ...]]) -> Mapping[str, FileContent]:
    public = {f"peers/{label}": _line(*(each.public for each in nodes)) for label, nodes in peers.items()}
    private = {f"peers_private/{label}": _line(*(each.inner for each in nodes)) for label, nodes in peers.items()}
    return public | private


def read_set_key(session: Session, server_id: str, timeout: float = 60) -> KeyPair | None:
    """Return the pair that this very server was given before, or None.

    A launcher that takes over a set asks each of its nodes first, and makes a new pair only when none has one. What
    an image or a snapshot brought along belongs to another server, as its `uuid` says, and does not count.
    """
    wanted = shlex.quote(server_id)
    result = session.script(
        f'cd {INFO_DIR} 2> /dev/null && [ -f uuid ] && [ "$(cat uuid)" = {wanted} ] && cat id_rsa', timeout
    )
    try:
        return read_private_key(result.stdout.decode()) if result.stdout else None
    except (KeyFileError, UnicodeDecodeError):
        return None


def _line(*lines: str) -> FileContent:
    return FileContent("".join(f"{line}\n" for line in lines).encode())
