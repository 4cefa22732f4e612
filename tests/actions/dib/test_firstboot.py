"""Tests of nodepool-firstboot, the script of the image that gives a node its identity, run by this host's shells."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from nodepool_lite.clouds.userdata import combined
from nodepool_lite.config.shipped import elements_dir

STATIC = elements_dir() / "nodepool-firstboot" / "static" / "usr" / "local"
USER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE0 somebody"


@dataclass
class Node:
    """The root of a machine in a directory, and the config drive that it finds."""

    root: Path
    drive: Path

    @property
    def host_key(self) -> Path:
        """The private host key."""
        return self.root / "etc/ssh/ssh_host_ed25519_key"

    def insert(
        self, key: Path | None, *, uuid: str = "u-1", hostname: str = "node-1", meta: dict[str, str] | None = None
    ) -> None:
        """Write the config drive as the pool does."""
        latest = self.drive / "openstack/latest"
        latest.mkdir(parents=True, exist_ok=True)
        metadata = {
            "uuid": uuid,
            "public_keys": {"k": f"{USER_KEY}\n"},
            "hostname": f"{hostname}.novalocal",
            "random_seed": "c2VlZA==",
            "meta": meta or {},
        }
        (latest / "meta_data.json").write_text(json.dumps(metadata))
        if key is not None:
            private = "".join(f"    {line}\n" for line in key.read_text().splitlines())
            public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
            (latest / "user_data").write_text(
                f"#cloud-config\nhostname: {hostname}\nssh_deletekeys: true\nssh_genkeytypes: []\nssh_keys:\n"
                f"  ed25519_private: |\n{private}  ed25519_public: {public}\n"
            )

    def boot(self, shell: str = "sh", path: Path | None = None) -> str:
        """Run the script as the unit does at boot, with programs of `path` first; return what the console got."""
        console = self.root / "console"
        console.write_text("")
        environment = {
            **os.environ,
            "NODEPOOL_FIRSTBOOT_ROOT": str(self.root),
            "NODEPOOL_FIRSTBOOT_LIB": str(STATIC / "lib/nodepool"),
            "NODEPOOL_FIRSTBOOT_CONSOLE": str(console),
        }
        if path is not None:
            environment["PATH"] = f"{path}{os.pathsep}{os.environ['PATH']}"
        if self.drive.exists():
            environment["NODEPOOL_FIRSTBOOT_DRIVE"] = str(self.drive)
        subprocess.run([shell, STATIC / "sbin/nodepool-firstboot"], env=environment, check=True)
        return console.read_text()


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """Give a machine that has not booted yet, with host keys of the build and a name of the image."""
    root = tmp_path / "root"
    for directory in ("dev", "etc/ssh", "run", "var/lib", "root"):
        (root / directory).mkdir(parents=True)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 debian\n")
    (root / "etc/nodepool-firstboot.conf").write_text("user=root\nwait=0\n")
    return Node(root, tmp_path / "drive")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Make a host key as the pool does."""
    file = tmp_path / "injected"
    subprocess.check_call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", file])
    return file


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_the_injected_host_key_is_taken(node: Node, key: Path, shell: str) -> None:
    """The key of user_data becomes the only host key, readable by root alone, with its public half."""
    (node.root / "etc/ssh/ssh_host_rsa_key").write_text("baked in")
    node.insert(key)

    console = node.boot(shell)

    assert node.host_key.read_text() == key.read_text()
    assert node.host_key.stat().st_mode & 0o777 == 0o600
    assert node.host_key.with_suffix(".pub").read_text().split() == key.with_suffix(".pub").read_text().split()
    assert {each.name for each in (node.root / "etc/ssh").iterdir()} == {
        node.host_key.name,
        f"{node.host_key.name}.pub",
    }
    assert console == ""


def test_the_node_gets_its_name(node: Node, key: Path) -> None:
    """The name is in /etc/hostname, and sudo finds it in /etc/hosts in the place of the image's."""
    node.insert(key, hostname="debian-12-0000000042")

    node.boot()

    assert (node.root / "etc/hostname").read_text() == "debian-12-0000000042\n"
    assert (node.root / "etc/hosts").read_text() == "127.0.0.1 localhost\n127.0.1.1 debian-12-0000000042\n"


def test_the_random_seed_is_stirred_in(node: Node, key: Path) -> None:
    """What the pool gives of randomness reaches the kernel before keys are made."""
    node.insert(key)

    node.boot()

    assert (node.root / "dev/urandom").read_text() == "c2VlZA=="


def test_public_keys_are_added_once(node: Node, key: Path) -> None:
    """Keys of meta_data.json may log in as the pool's user, beside those that the image has."""
    (node.root / "root/.ssh").mkdir()
    (node.root / "root/.ssh/authorized_keys").write_text("ssh-ed25519 AAAA pool\n")
    node.insert(key)

    node.boot()

    lines = (node.root / "root/.ssh/authorized_keys").read_text().splitlines()
    assert [line.strip() for line in lines] == ["ssh-ed25519 AAAA pool", USER_KEY]


def test_without_a_drive_one_key_is_made_and_told_on_the_console(node: Node) -> None:
    """A node without config drive makes one ed25519 key, and the console log lets the launcher pin it."""
    console = node.boot()

    public = node.host_key.with_suffix(".pub").read_text().strip()
    assert public.startswith("ssh-ed25519 ")
    assert console.splitlines() == ["-----BEGIN SSH HOST KEY KEYS-----", public, "-----END SSH HOST KEY KEYS-----"]


def test_without_an_injected_key_the_name_is_taken_and_a_key_made(node: Node) -> None:
    """A drive with metadata alone, as a cloud without user data gives it, names the node."""
    node.insert(None, hostname="node-7")

    console = node.boot()

    assert (node.root / "etc/hostname").read_text() == "node-7\n"
    assert (node.root / "etc/hosts").read_text().endswith("127.0.1.1 node-7.novalocal node-7\n")
    assert "ssh-ed25519 " in console


def test_a_second_boot_changes_nothing(node: Node, key: Path) -> None:
    """After a reboot the node is the one it was, also when somebody changed its name by hand."""
    node.insert(key)
    node.boot()
    (node.root / "etc/hostname").write_text("mine\n")
    before = node.host_key.stat().st_mtime_ns

    assert node.boot() == ""

    assert (node.root / "etc/hostname").read_text() == "mine\n"
    assert node.host_key.stat().st_mtime_ns == before


def test_a_copy_of_the_node_takes_a_new_identity(node: Node, key: Path, tmp_path: Path) -> None:
    """A server made from a snapshot of a node finds another instance on its drive, and takes its key and name."""
    node.insert(None)
    node.boot()

    node.insert(key, uuid="u-2", hostname="node-2")
    node.boot()

    assert node.host_key.read_text() == key.read_text()
    assert (node.root / "etc/hostname").read_text() == "node-2\n"


@pytest.mark.parametrize("name", ["a b", "$(reboot)", "-x", "../x"])
def test_a_name_that_is_none_is_not_taken(node: Node, key: Path, name: str) -> None:
    """What is no host name does not become one."""
    node.insert(key, hostname=name)

    node.boot()

    assert not (node.root / "etc/hostname").exists()


def test_the_pool_s_part_is_found_among_a_label_s_own_user_data(node: Node, key: Path) -> None:
    """A key that the label's part names is not the pool's."""
    node.insert(key)
    user_data = node.drive / "openstack/latest/user_data"
    users = "#cloud-config\nhostname: theirs\nssh_keys:\n  ed25519_private: |\n    NONE\n"
    user_data.write_text(combined(user_data.read_text(), users))
    assert "theirs" in user_data.read_text()

    node.boot()

    assert node.host_key.read_text() == key.read_text()
    assert (node.root / "etc/hostname").read_text() == "node-1\n"


def test_what_is_not_a_key_is_not_taken(node: Node, key: Path) -> None:
    """Rubbish in the place of the key does not keep the node from having one."""
    node.insert(key)
    user_data = node.drive / "openstack/latest/user_data"
    user_data.write_text(user_data.read_text().replace("OPENSSH", "RUBBISH"))

    assert "ssh-ed25519 " in node.boot()

    assert node.host_key.read_text() != key.read_text()


def test_the_interface_between_the_nodes_of_a_set_gets_its_address(node: Node, key: Path, tmp_path: Path) -> None:
    """At every boot, by its hardware address; NetworkManager, where there is one, is told to leave it like that."""
    for name, mac in {"lo": "00:00:00:00:00:00", "ens3": "52:54:00:00:00:01", "ens4": "52:54:01:00:00:01"}.items():
        (node.root / "sys/class/net" / name).mkdir(parents=True)
        (node.root / "sys/class/net" / name / "address").write_text(f"{mac}\n")
    connections = node.root / "etc/NetworkManager/system-connections"
    connections.mkdir(parents=True)
    calls = tmp_path / "calls"
    (tmp_path / "ip").write_text(f'#!/bin/sh\necho "$*" >> {calls}\n')
    (tmp_path / "ip").chmod(0o755)
    node.insert(key, meta={"nodepool_set_mac": "52:54:01:00:00:01", "nodepool_set_address": "198.18.0.8/16"})
    for _ in range(2):
        node.boot(path=tmp_path)
    assert calls.read_text() == 2 * "link set ens4 up\naddress replace 198.18.0.8/16 dev ens4\n"
    (profile,) = connections.iterdir()
    assert profile.stat().st_mode & 0o777 == 0o600
    assert "mac-address=52:54:01:00:00:01" in profile.read_text()


def test_a_node_that_stands_alone_has_no_such_interface(node: Node, key: Path, tmp_path: Path) -> None:
    """Nothing is called, and an address that is none is not given."""
    (tmp_path / "ip").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "ip").chmod(0o755)
    node.insert(key)
    node.boot(path=tmp_path)
    node.insert(key, meta={"nodepool_set_mac": "$(reboot)", "nodepool_set_address": "x"})
    node.boot(path=tmp_path)
    assert not (node.root / "etc/NetworkManager").exists()
