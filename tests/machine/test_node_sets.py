"""Three machines that belong together: on one host, without bridges, they reach each other by a network of theirs."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from nodepool_lite.actions.dib.recipe import fingerprint
from nodepool_lite.config.shipped import elements_dir
from nodepool_lite.model.node import Node, NodeState
from tests.images import debian_image
from tests.machine.pool import BOOT, RealPool

pytestmark = [pytest.mark.machine, pytest.mark.proof]
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
  - name: controller
  - name: compute
  - name: three
    min-ready: 1
    nodeset: [{{label: controller}}, {{label: compute, count: 2}}]
    ready-script: meet.sh
providers:
  - name: local
    driver: qemu
    boot-timeout: 15m
    pools:
      - max-servers: 3
        labels:
          - {{name: controller, diskimage: debian-12, min-ram: 640, cores: 1}}
          - {{name: compute, diskimage: debian-12, min-ram: 448, cores: 1}}
          - {{name: three}}
"""
MEET = """#!/bin/bash
# Lets the other nodes of the set in; the primary, which comes last, visits them.
set -eu
cat /etc/nodepool/id_rsa.pub >> ~/.ssh/authorized_keys
[ "$(cat /etc/nodepool/role)" = primary ] || exit 0
for peer in $(cat /etc/nodepool/peers_private/compute); do
    echo "::step:: visiting $peer"
    ssh -i /etc/nodepool/id_rsa -o StrictHostKeyChecking=accept-new -o BatchMode=yes "$peer" \\
        'echo "$(hostname) was visited by $(cat /etc/nodepool/primary_node_private)"' < /dev/null >> ~/visits
done
"""


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealPool]:
    """A pool that makes sets of three, of an image that was built before."""
    base = tmp_path_factory.mktemp("sets")
    image, key = debian_image()
    (base / "scripts").mkdir()
    (base / "scripts" / "meet.sh").write_text(MEET)
    config = base / "nodepool.yaml"
    config.write_text(CONFIG.format(base=base, key=key))
    pool = RealPool(config, {})
    with closing(pool):
        pool.start()
        diskimage = pool.config.diskimage("debian-12")
        assert diskimage is not None
        pool.plant(image, "debian-12", fingerprint(diskimage, (elements_dir(),)))
        yield pool


@pytest.fixture(scope="module")
def nodes(pool: RealPool) -> tuple[Node, Node, Node]:
    """The set, once all of it is ready: the primary first."""
    seen = pool.wait(lambda records: sum(n.state is NodeState.READY for n in records.nodes.values()) == 3, 3 * BOOT)
    primary, first, second = sorted(seen.nodes.values(), key=lambda node: (node.primary is not None, node.id))
    return primary, first, second


def test_the_primary_was_ready_last_and_had_visited_the_others(pool: RealPool, nodes: tuple[Node, Node, Node]) -> None:
    """By their private addresses, with the key that the set was given."""
    primary, *subs = nodes
    assert primary.state_since >= max(each.state_since for each in subs)
    visits = pool.cli("ssh", primary.id, "--", "cat visits").splitlines()
    assert visits == [f"{each.hostname} was visited by {primary.private_address}" for each in subs]


def test_each_is_made_as_its_label_and_knows_who_the_others_are(pool: RealPool, nodes: tuple[Node, Node, Node]) -> None:
    """One controller and two computes, each with the memory of its own label."""
    controller, *computes = nodes
    assert [node.member for node in nodes] == ["controller", "compute", "compute"]
    for node in nodes:
        told = pool.cli("ssh", node.id, "--", "cd /etc/nodepool; cat label role; cd peers_private; tail -n +1 *")
        own, role, *others = told.split()
        assert (own, role) == (node.member, "primary" if node is controller else "sub")
        peers = [each.private_address for each in computes if each is not node]
        leader = [] if node is controller else [controller.private_address]
        assert others == ["==>", "compute", "<==", *peers, "==>", "controller", "<==", *leader]
    memory = [int(pool.cli("ssh", node.id, "--", "grep MemTotal /proc/meminfo").split()[1]) for node in nodes]
    assert memory[0] > 448 * 1024 > max(memory[1:])


def test_each_reaches_every_other_and_still_the_world(pool: RealPool, nodes: tuple[Node, Node, Node]) -> None:
    """The addresses are of the set's own network, and all different; the way out is another one."""
    assert len({node.private_address for node in nodes}) == 3
    for node in nodes:
        others = [str(each.private_address) for each in nodes if each is not node]
        assert all(each.startswith("198.19.") for each in others)
        for other in others:
            greeting = f"timeout 30 bash -c 'exec 3<> /dev/tcp/{other}/22; head -c 4 <&3'"
            assert pool.cli("ssh", node.id, "--", greeting) == "SSH-"
        assert "via 10.0.2.2" in pool.cli("ssh", node.id, "--", "ip route get 192.0.2.1")


def test_a_set_is_taken_and_given_back_as_one(pool: RealPool, nodes: tuple[Node, Node, Node]) -> None:
    """One lease, three machines; and the next set is another one."""
    lease = pool.cli("grab", "three", "--no-wait", "-f", "value").strip()
    now = pool.records.nodes
    assert [now[each.id].lease for each in nodes] == [lease] * 3
    pool.cli("release", lease)
    pool.wait(lambda records: not {each.id for each in nodes} & set(records.nodes), BOOT)
