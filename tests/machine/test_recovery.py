"""Whatever is killed, and whenever: the same nodes, one server each, no script run twice, nothing left over."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from nodepool_lite.actions.dib.recipe import fingerprint
from nodepool_lite.config.shipped import elements_dir
from nodepool_lite.model.lease import LeaseState
from nodepool_lite.model.node import NodeState
from tests.images import debian_image
from tests.machine.pool import RealPool

pytestmark = pytest.mark.machine
CONFIG = """
state-dir: {base}/state
scripts-dir: {base}/scripts
private-key: {key}
diskimages:
  - name: debian-12
    elements: [debian-minimal, vm, nodepool-minimal, debian-quick]
    release: bookworm
    pause: true
labels:
  - name: debian-12
    min-ready: 1
    ready-script: prepare.sh
providers:
  - name: local
    driver: qemu
    boot-timeout: 10m
    pools:
      - max-servers: 3
        labels: [{{name: debian-12, diskimage: debian-12, min-ram: 512, cores: 2}}]
"""
SCRIPT = """#!/bin/sh
# Says that it runs, and waits until the test lets it end.
echo run >> /home/jenkins/runs
echo "::step:: waiting to be let go"
until [ -e /tmp/go ]; do sleep 0.2; done
echo "::step:: done"
"""


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealPool]:
    """A pool whose image was built before, with a script that ends when it is told to."""
    base = tmp_path_factory.mktemp("recovery")
    image, key = debian_image()
    (base / "scripts").mkdir()
    (base / "scripts" / "prepare.sh").write_text(SCRIPT)
    config = base / "nodepool.yaml"
    config.write_text(CONFIG.format(base=base, key=key))
    pool = RealPool(config, {})
    with closing(pool):
        pool.start()
        diskimage = pool.config.diskimage("debian-12")
        assert diskimage is not None
        pool.plant(image, "debian-12", fingerprint(diskimage, (elements_dir(),)))
        yield pool


def test_a_daemon_killed_at_every_stage_goes_on_with_the_same_node(pool: RealPool) -> None:
    """While it boots, while the script runs, when it is ready: one record, one server, one run of the script."""
    booting = pool.wait_for_node(NodeState.TESTING)
    pool.kill()
    assert len(pool.servers()) == 1
    pool.start()
    preparing = pool.wait_for_node(NodeState.PREPARING)
    assert preparing.id == booting.id
    pool.wait(lambda records: bool((script := records.nodes[booting.id].script) and script.step))
    pool.kill()
    pool.start()
    pool.cli("ssh", booting.id, "--", "touch /tmp/go")
    ready = pool.wait_for_node(NodeState.READY)
    pool.kill()
    pool.start()
    again = pool.wait_for_node(NodeState.READY)
    assert again.id == ready.id == booting.id
    assert (again.server_id, again.host_key) == (ready.server_id, booting.host_key)
    assert again.host_key_source == "injected"
    assert len(pool.servers()) == 1
    assert pool.cli("ssh", again.id, "--", "cat runs") == "run\n"
    assert "waiting to be let go" in pool.cli("logs", again.id)


def test_a_users_own_key_opens_the_node_until_the_lease_ends(pool: RealPool, tmp_path: Path) -> None:
    """By a certificate for this one node: the pool's key stays with the pool."""
    key = tmp_path / "id"
    subprocess.check_call(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key])
    pool.wait_for_node(NodeState.READY)
    taken = json.loads(pool.cli("grab", "debian-12", "--public-key", f"{key}.pub", "-f", "json"))
    node = taken["nodes"][0]
    (tmp_path / "id-cert.pub").write_text(node["certificate"] + "\n")
    (tmp_path / "known_hosts").write_text(f"[{node['address']}]:{node['port']} {node['host_key']}\n")

    def login() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *("ssh", "-F", "none", "-i", str(key), "-o", f"CertificateFile={tmp_path}/id-cert.pub"),
                *("-o", f"UserKnownHostsFile={tmp_path}/known_hosts", "-o", "BatchMode=yes"),
                *("-o", "IdentityAgent=none"),
                *("-p", str(node["port"]), f"{node['username']}@{node['address']}", "sudo -n id -u"),
            ],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    assert login().stdout == "0\n"
    pool.cli("release", taken["lease"])
    pool.wait(lambda records: node["id"] not in records.nodes)
    assert login().returncode != 0


def test_a_taken_node_is_replaced_and_an_ended_lease_deletes_its_node(pool: RealPool) -> None:
    """The replacement is being made while the node is in use."""
    booting = pool.wait_for_node(NodeState.PREPARING)
    pool.wait(lambda records: bool((script := records.nodes[booting.id].script) and script.step))
    pool.cli("ssh", booting.id, "--", "touch /tmp/go")
    pool.wait_for_node(NodeState.READY)
    lease = pool.cli("grab", "debian-12", "-f", "value", "--lifetime", "1h").strip()
    pool.wait(lambda records: any(n.asked and n.id != booting.id for n in records.nodes.values()), 30)
    pool.stop()
    pool.start()
    pool.cli("release", lease)
    seen = pool.wait(lambda records: booting.id not in records.nodes, 60)
    assert seen.leases[lease].state is LeaseState.ENDED
