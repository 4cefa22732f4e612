"""What stays when a deployed node is cloned: the address of the deployment, and a name that leads to it."""

from pathlib import Path

import pytest

from tests.elements.stream import Stream

pytestmark = [pytest.mark.machine, pytest.mark.proof]
LOOK = "hostname; hostname -f; getent ahostsv4 $(hostname) | cut -d ' ' -f 1 | uniq; ip -4 -o address show stack0"


@pytest.fixture
def node(rdo_image: Stream, tmp_path: Path) -> Stream:
    """A node of the image."""
    return rdo_image.copy(tmp_path)


def test_each_boot_finds_the_address_and_a_name_with_a_domain(node: Stream) -> None:
    """A clone, which has another name, and only that."""
    for host in ("rdo-1", "rdo-2"):
        name, full, address, interface = node.boot(LOOK, host).splitlines()
        assert (name, full, address) == (host, f"{host}.localdomain", "172.31.99.1")
        assert "172.31.99.1/24" in interface
    assert "rdo-1" not in node.path("/etc/hosts").read_text()


def test_a_name_of_the_deployments_own_is_the_same_on_every_clone(node: Stream) -> None:
    """For services that keep their data under it."""
    node.element("packstack-ready", {"PACKSTACK_READY_HOSTNAME": "openstack.example.org"})
    for host in ("rdo-1", "rdo-2"):
        name, full, address, _ = node.boot(LOOK, host).splitlines()
        assert (name, full, address) == ("openstack.example.org", "openstack.example.org", "172.31.99.1")


def test_another_address_can_be_chosen_and_has_to_be_one(node: Stream) -> None:
    """When the image is built."""
    node.element("packstack-ready", {"PACKSTACK_READY_ADDRESS": "192.0.2.7"})
    assert "192.0.2.7/24" in node.boot(LOOK, "rdo-1")
    done = node.element("packstack-ready", {"PACKSTACK_READY_ADDRESS": "here"}, check=False)
    assert done.returncode != 0
    assert "expected an IPv4 address" in done.stdout


def test_it_is_there_at_every_boot_and_networkmanager_leaves_it_alone(node: Stream) -> None:
    """Both are in the image."""
    enabled = node.run("systemctl is-enabled packstack-ready-address.service; cat /etc/NetworkManager/conf.d/*").stdout
    assert enabled.startswith("enabled\n")
    assert "unmanaged-devices=interface-name:stack0" in enabled
