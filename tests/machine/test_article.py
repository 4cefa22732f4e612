"""The article of 2017, step by step, with its own file and its own element, on this host in place of a cloud."""

import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from nodepool_lite.model.image import BuildState, UploadState
from nodepool_lite.model.node import NodeState
from tests.machine.pool import RealPool

pytestmark = pytest.mark.machine
ARTICLE = Path(__file__).parent.parent / "config" / "data" / "article.yaml"
DEBIAN = "      - debian-minimal\n      - vm\n      - debian-quick\n      - openssh-server\n      - nodepool-minimal\n"
COPY_KEY = """#!/bin/bash
set -eu
cp "$NODEPOOL_PUBLIC_KEY_FILE" "$TMP_HOOKS_PATH/id_rsa.pub"
"""
MAKE_USER = """#!/bin/bash
set -eu
useradd -m -s /bin/bash jenkins
mkdir /home/jenkins/.ssh
cp /tmp/in_target.d/id_rsa.pub /home/jenkins/.ssh/authorized_keys
chown -R jenkins:jenkins /home/jenkins/.ssh
chmod 700 /home/jenkins/.ssh
chmod 600 /home/jenkins/.ssh/authorized_keys
mkdir -p /etc/nodepool
chmod 0777 /etc/nodepool
"""
DHCP = """#!/bin/bash
set -eu
printf '[Match]\\nType=ether\\n[Network]\\nDHCP=ipv4\\n' > /etc/systemd/network/80-dhcp.network
systemctl enable systemd-networkd
"""


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealPool]:
    """The article's set-up: a key, an element, and its nodepool.yaml with another driver and other elements."""
    base = tmp_path_factory.mktemp("article")
    key = base / "ssh" / "id_rsa"
    key.parent.mkdir(mode=0o700)
    subprocess.check_call(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f", key])
    _element(base / "elements" / "nodepool-minimal")
    text = ARTICLE.read_text()
    begin, end = text.index("      - centos-minimal"), text.index("providers:")
    text = text[:begin] + DEBIAN + "    release: bookworm\n\n" + text[end:]
    for old, new in {
        "/etc/nodepool/elements": str(base / "elements"),
        "/var/lib/nodepool/dib": str(base / "dib"),
        "/var/lib/nodepool/.ssh/id_rsa": str(key),
        "    cloud: le-cloud\n": "    driver: qemu\n",
        "    image-type: raw\n": "    image-type: qcow2\n",
        "min-ram: 2048": "min-ram: 512",
        "boot-timeout: 120": "boot-timeout: 600",
    }.items():
        assert old in text
        text = text.replace(old, new)
    config = base / "nodepool.yaml"
    config.write_text(f"state-dir: {base}/state\n{text.removeprefix('---')}")
    pool = RealPool(config, {})
    with closing(pool):
        pool.start()
        yield pool


def test_an_image_is_built_uploaded_and_a_node_is_ready_without_being_asked(pool: RealPool) -> None:
    """Step 4: start the services, and watch."""
    seen = pool.wait(lambda records: any(b.state is not BuildState.BUILDING for b in records.builds.values()), 900)
    assert [build.error for build in seen.builds.values() if build.error] == []
    node = pool.wait_for_node(NodeState.READY)
    assert node.host_key_source == "first-contact"  # the article's element takes no host key
    for command, words in {
        "dib-image-list": ("Image", "Filename", "Version", "State", "Age", "dib-centos-7", "ready"),
        "image-list": ("Provider", "Image", "Hostname", "Version", "Image-ID", "Server-ID", "State", "Age", "default"),
        "list": ("Provider", "AZ", "Label", "Target", "Manager", "Hostname", "NodeName", "Server-ID", "IP", "State",
                 "Age", "centos-7", node.id),
    }.items():  # fmt: skip
        shown = pool.cli(command)
        assert [word for word in words if word not in shown] == [], shown


def test_the_node_can_be_logged_in_to_with_the_pools_own_key(pool: RealPool) -> None:
    """Step 6: `ssh -i /var/lib/nodepool/.ssh/id_rsa jenkins@NODE`."""
    node = pool.wait_for_node(NodeState.READY)
    host_key = pool.config.state_dir / "known_hosts"
    host_key.write_text(f"[{node.address}]:{node.port} {node.host_key}\n")
    answer = subprocess.run(
        [
            *("ssh", "-i", str(pool.config.private_key), "-p", str(node.port), "-o", "BatchMode=yes"),
            *("-o", f"UserKnownHostsFile={host_key}", f"jenkins@{node.address}", "cat /etc/nodepool/role"),
        ],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert answer.stdout == "primary\n", answer.stderr


def test_a_node_that_was_shut_down_is_replaced(pool: RealPool) -> None:
    """Step 5: the check finds a node that was shut down and makes a new one, which is pristine."""
    node = pool.wait_for_node(NodeState.READY)
    pool.cli("ssh", node.id, "--", "touch left-behind; sync")
    subprocess.check_call(["kill", "-9", *pool.servers()])
    failed = pool.wait_for_node(NodeState.FAILED)
    assert failed.id == node.id
    assert "stopped" in failed.error
    fresh = pool.wait_for_node(NodeState.READY, other_than=node)
    assert "left-behind" not in pool.cli("ssh", fresh.id, "--", "ls -A")
    assert fresh.host_key != node.host_key


def test_a_deleted_node_is_gone_and_followed_by_another(pool: RealPool) -> None:
    """Step 5: `nodepool delete NODE`."""
    node = pool.wait_for_node(NodeState.READY)
    pool.cli("delete", node.id, "--now")
    assert node.id not in pool.cli("list")
    pool.cli("delete", node.id, status=3)
    pool.wait(lambda records: any(each.id != node.id and each.asked for each in records.nodes.values()), 60)


def test_images_are_built_uploaded_and_deleted_by_hand(pool: RealPool) -> None:
    """Step 5: `image-build`, `image-upload`, `image-delete`, `dib-image-delete`."""
    pool.cli("image-upload", "default", "centos-7")
    pool.cli("image-build", "centos-7")
    seen = pool.wait(lambda records: sum(b.state is BuildState.READY for b in records.builds.values()) > 1, 900)
    newest = max(seen.builds.values(), key=lambda build: build.id)
    upload = f"{newest.id}/default"
    pool.wait(lambda records: upload in records.uploads and records.uploads[upload].state is UploadState.READY)
    pool.cli("image-delete", f"{newest.name}-default")
    pool.wait(lambda records: upload not in records.uploads)
    pool.cli("dib-image-delete", newest.name)
    pool.wait(lambda records: newest.id not in records.builds)
    assert not list(pool.config.images_dir.glob(f"{newest.name}*"))


def _element(directory: Path) -> None:
    """Write the article's own `nodepool-minimal`, and what makes it get an address here."""
    for name, text in {
        "extra-data.d/50-copy-key": COPY_KEY,
        "install.d/50-user": MAKE_USER,
        "install.d/60-dhcp": DHCP,
    }.items():
        hook = directory / name
        hook.parent.mkdir(parents=True, exist_ok=True)
        hook.write_text(text)
        hook.chmod(0o755)
