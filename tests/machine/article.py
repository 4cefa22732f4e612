"""The article of 2017 as a walk: its own file and element, laid out for a test, and the steps that any driver goes.

What the article says is changed only where it must be: Debian's elements for CentOS's, of which tests have no mirror;
names of the cloud and of directories; times, since machines are emulated; and an image that was built before is not
built again.
"""

import hashlib
import re
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from nodepool_lite.actions import dib
from nodepool_lite.actions.dib.recipe import fingerprint
from nodepool_lite.config.settings import Diskimage
from nodepool_lite.config.shipped import elements_dir
from nodepool_lite.model.image import BuildState, UploadState
from nodepool_lite.model.node import Node, NodeState
from tests.images import kept
from tests.machine.pool import RealPool

ARTICLE = Path(__file__).parent.parent / "config" / "data" / "article.yaml"
BUILD = Path(__file__).parent / "kept-image-create"
BUILDS_WITHIN = 900.0
ELEMENTS = """      - debian-minimal
      - vm
      - debian-quick
      - openssh-server
      - nodepool-minimal
"""
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
HOOKS = {"extra-data.d/50-copy-key": COPY_KEY, "install.d/50-user": MAKE_USER, "install.d/60-dhcp": DHCP}


def lay_out(base: Path, changes: Mapping[str, str]) -> Path:
    """Write the article's nodepool.yaml for a pool below `base`, with these changes, and return its path.

    The key, the element and the image that is built of them are those of all test processes.
    """
    home = _home()
    text = ARTICLE.read_text().removeprefix("---\n")
    begin, end = text.index("      - centos-minimal"), text.index("providers:")
    build = f"    release: bookworm\n    dib-cmd: {BUILD} {home / 'built'}\n\n"
    text = text[:begin] + ELEMENTS + build + text[end:]
    paths = {
        "/etc/nodepool/elements": str(home / "elements"),
        "/var/lib/nodepool/dib": str(base / "dib"),
        "/var/lib/nodepool/.ssh/id_rsa": str(home / "id_rsa"),
        "boot-timeout: 120": "boot-timeout: 600",
    }
    for old, new in {**paths, **changes}.items():
        assert old in text
        text = text.replace(old, new)
    config = base / "nodepool.yaml"
    config.write_text(f"state-dir: {base}/state\n{text}")
    return config


def is_built_and_uploaded_and_makes_a_node(pool: RealPool) -> Node:
    """Step 4: start the services, and watch; returns the node that is ready without anybody's asking."""
    seen = pool.wait(
        lambda records: any(b.state is not BuildState.BUILDING for b in records.builds.values()), BUILDS_WITHIN
    )
    assert [build.error for build in seen.builds.values() if build.error] == []
    node = pool.wait_for_node(NodeState.READY)
    assert node.host_key_source == "first-contact"  # the article's element takes no host key
    for command, words in {
        "dib-image-list": ("ID", "Image", "Filename", "Version", "State", "Age", "dib-centos-7", "ready"),
        "image-list": ("ID", "Provider", "Image", "Hostname", "Version", "Image-ID", "Server-ID", "State", "Age",
                       "default", "ready"),
        "list": ("ID", "Provider", "AZ", "Label", "Target", "Manager", "Hostname", "NodeName", "Server-ID", "IP",
                 "State", "Age", "centos-7", node.id, node.address or "?"),
    }.items():  # fmt: skip
        shown = pool.cli(command, "--detail")
        assert [word for word in words if word not in shown] == [], shown
        assert re.search(r"\b\d\d:\d\d:\d\d:\d\d\b", shown), shown
    return node


def lets_its_owner_in(pool: RealPool, node: Node) -> None:
    """Step 6: `ssh -i /var/lib/nodepool/.ssh/id_rsa jenkins@NODE`."""
    host_key = pool.config.state_dir / "known_hosts"
    host_key.write_text(f"[{node.address}]:{node.port} {node.host_key}\n{node.address} {node.host_key}\n")
    answer = subprocess.run(
        [
            *("ssh", "-i", str(pool.config.private_key), "-p", str(node.port), "-o", "BatchMode=yes"),
            *("-o", f"UserKnownHostsFile={host_key}", f"jenkins@{node.address}", "cat /etc/nodepool/role"),
        ],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert answer.stdout == "primary\n", answer.stderr


def is_followed_by_a_pristine_one(pool: RealPool, lost: Node) -> Node:
    """Step 5: a node that was shut down is found, and a new one made, on which nobody was; returns that."""
    failed = pool.wait_for_node(NodeState.FAILED)
    assert failed.id == lost.id
    fresh = pool.wait_for_node(NodeState.READY, other_than=lost)
    assert "left-behind" not in pool.cli("ssh", fresh.id, "--", "ls -A")
    assert fresh.host_key != lost.host_key
    return fresh


def is_deleted_and_followed_by_another(pool: RealPool, node: Node) -> None:
    """Step 5: `nodepool delete NODE`."""
    pool.cli("delete", node.id, "--now")
    assert node.id not in pool.cli("list")
    pool.cli("delete", node.id, status=3)
    pool.wait(lambda records: any(each.id != node.id and each.asked for each in records.nodes.values()), 60)


def is_built_uploaded_and_deleted_by_hand(pool: RealPool) -> None:
    """Step 5: `image-build`, `image-upload`, `image-delete`, `dib-image-delete`."""
    pool.cli("image-upload", "default", "centos-7")
    pool.cli("image-build", "centos-7")
    seen = pool.wait(
        lambda records: sum(b.state is BuildState.READY for b in records.builds.values()) > 1, BUILDS_WITHIN
    )
    newest = max(seen.builds.values(), key=lambda build: build.id)
    upload = f"{newest.id}/default"
    pool.wait(lambda records: upload in records.uploads and records.uploads[upload].state is UploadState.READY)
    pool.cli("image-delete", f"{newest.name}-default")
    pool.wait(lambda records: upload not in records.uploads)
    pool.cli("dib-image-delete", newest.name)
    pool.wait(lambda records: newest.id not in records.builds)
    assert not list(pool.config.images_dir.glob(f"{newest.name}*"))


def _home() -> Path:
    """Return the directory with the pool's key and the article's own `nodepool-minimal`, and an image once it is built.

    It is another one when anything changes of which the image is made: these texts, how we call diskimage-builder and
    with what of our own, or diskimage-builder itself.
    """
    quick = fingerprint(Diskimage(name="article", elements=("debian-quick",)), (elements_dir(),))
    sources = [
        each for each in sorted(Path(dib.__file__).parent.rglob("*")) if each.is_file() and each.suffix != ".pyc"
    ]
    builder = [each.read_bytes() for each in (*sources, BUILD)]
    made_from = (quick, ELEMENTS, HOOKS, version("diskimage-builder"), builder)
    with kept(f"article-{hashlib.sha256(repr(made_from).encode()).hexdigest()[:16]}") as home:
        if not (home / "id_rsa").exists():
            for name, text in HOOKS.items():
                hook = home / "elements" / "nodepool-minimal" / name
                hook.parent.mkdir(parents=True, exist_ok=True)
                hook.write_text(text)
                hook.chmod(0o755)
            subprocess.check_call(
                ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f", home / "id_rsa"]
            )
    return home
