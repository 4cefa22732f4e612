"""The files that tell a node what it is: the contract of the old ready-scripts, safe to be sourced."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodepool_lite.access.info import Address, NodeInfo, info_files, read_set_key
from nodepool_lite.access.keys import new_set_key
from nodepool_lite.access.session import Session
from nodepool_lite.access.shell import FileContent

from .guest import Guest

SET_KEY = new_set_key()
INFO = NodeInfo(
    role="sub",
    server_id="6f1c",
    node=Address("192.0.2.8", "10.0.0.8"),
    primary=Address("192.0.2.7", "10.0.0.7"),
    subs=(Address("192.0.2.8", "10.0.0.8"), Address("192.0.2.9")),
    provider="le-provider",
    cloud="le-cloud",
    region="RegionOne",
    az="nova",
    label="compute",
    peers={"controller": (Address("192.0.2.7", "10.0.0.7"),), "compute": (Address("192.0.2.9"),)},
)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


def test_every_file_of_the_contract_is_there() -> None:
    """Names and contents are those that ready-scripts of the old Nodepool read; one address a line."""
    files = {path: content.data.decode() for path, content in info_files(INFO, SET_KEY).items()}
    assert files == {
        "/etc/nodepool/role": "sub\n",
        "/etc/nodepool/node": "192.0.2.8\n",
        "/etc/nodepool/node_private": "10.0.0.8\n",
        "/etc/nodepool/primary_node": "192.0.2.7\n",
        "/etc/nodepool/primary_node_private": "10.0.0.7\n",
        "/etc/nodepool/sub_nodes": "192.0.2.8\n192.0.2.9\n",
        "/etc/nodepool/sub_nodes_private": "10.0.0.8\n192.0.2.9\n",
        "/etc/nodepool/id_rsa": SET_KEY.private_openssh,
        "/etc/nodepool/id_rsa.pub": f"{SET_KEY.public}\n",
        "/etc/nodepool/provider": "NODEPOOL_PROVIDER=le-provider\nNODEPOOL_CLOUD=le-cloud\n"
        "NODEPOOL_REGION=RegionOne\nNODEPOOL_AZ=nova\n",
        "/etc/nodepool/label": "compute\n",
        "/etc/nodepool/peers/controller": "192.0.2.7\n",
        "/etc/nodepool/peers/compute": "192.0.2.9\n",
        "/etc/nodepool/peers_private/controller": "10.0.0.7\n",
        "/etc/nodepool/peers_private/compute": "192.0.2.9\n",
        "/etc/nodepool/uuid": "6f1c\n",
    }


def test_only_the_private_key_is_secret() -> None:
    """Ssh refuses a key that others can read; everything else is for everybody on the node."""
    modes = {path: content.mode for path, content in info_files(INFO, SET_KEY).items()}
    assert modes.pop("/etc/nodepool/id_rsa") == 0o600
    assert set(modes.values()) == {0o644}


def test_a_node_that_stands_alone_has_no_sub_nodes() -> None:
    """The files are there, and empty."""
    node = Address("192.0.2.7")
    files = info_files(NodeInfo("primary", "6f1c", node, node, (), "local"), SET_KEY)
    assert files["/etc/nodepool/sub_nodes"].data == files["/etc/nodepool/sub_nodes_private"].data == b""
    assert files["/etc/nodepool/node_private"].data == b"192.0.2.7\n"
    assert b"NODEPOOL_CLOUD=''\n" in files["/etc/nodepool/provider"].data


@settings(deadline=None, max_examples=40)
@given(TEXT, TEXT, TEXT, TEXT)
def test_a_shell_that_sources_provider_gets_the_very_values(provider: str, cloud: str, region: str, az: str) -> None:
    """No name of a provider, region or zone can run anything."""
    node = Address("192.0.2.7")
    info = NodeInfo("primary", "6f1c", node, node, (), provider, cloud, region, az)
    text = info_files(info, SET_KEY)["/etc/nodepool/provider"].data.decode()
    show = 'printf \'%s\\0\' "$NODEPOOL_PROVIDER" "$NODEPOOL_CLOUD" "$NODEPOOL_REGION" "$NODEPOOL_AZ"'
    shown = subprocess.run(["sh", "-c", f"{text}{show}"], capture_output=True, check=True).stdout
    assert shown.decode().split("\0")[:-1] == [provider, cloud, region, az]


def test_a_set_key_is_found_again_after_a_launcher_died(guest: Guest, session: Session) -> None:
    """The next launcher reads the pair back instead of making a second one."""
    assert read_set_key(session, "6f1c") is None
    session.put(info_files(INFO, SET_KEY))
    assert read_set_key(session, "6f1c") == SET_KEY
    assert guest.do("stat -c '%a %U' /etc/nodepool/id_rsa") == "600 jenkins\n"
    guest.do("rm -rf /etc/nodepool")


def test_a_key_that_came_with_an_image_does_not_count(guest: Guest, session: Session) -> None:
    """A snapshot of another server carries that server's uuid, and its pair is not for this one."""
    session.put(info_files(INFO, SET_KEY))
    assert read_set_key(session, "another") is None
    guest.do("rm -rf /etc/nodepool")


@pytest.mark.parametrize("damage", [b"", b"half a key", b"\xff\xfe"])
def test_a_damaged_key_does_not_count(guest: Guest, session: Session, damage: bytes) -> None:
    """A new pair is better than none."""
    session.put({**info_files(INFO, SET_KEY), "/etc/nodepool/id_rsa": FileContent(damage, 0o600)})
    assert read_set_key(session, "6f1c") is None
    guest.do("rm -rf /etc/nodepool")
