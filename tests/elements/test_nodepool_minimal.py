"""The hooks of nodepool-minimal and nodepool-firstboot on systems of dnf: CentOS Stream, Rocky Linux, Fedora."""

from pathlib import Path

import pytest

from tests.elements.stream import Stream

pytestmark = [pytest.mark.machine, pytest.mark.proof]
KEYS = "ssh-ed25519 AAAA pool\nssh-ed25519 BBBB operator\n"
UPDATE_CA_TRUST = "#!/bin/sh\ncat /etc/pki/ca-trust/source/anchors/*.pem > /etc/pki/ca-trust/bundle\n"


@pytest.fixture(params=[("centos", "9"), ("centos", "10"), ("rocky", "9"), ("fedora", "41")], ids="-".join)
def image(request: pytest.FixtureRequest, tmp_path: Path, url: str) -> Stream:
    """An image with everything that the element can be asked for."""
    os_id, version = request.param
    stream = Stream(tmp_path, url, version, os_id)
    stream.run("rm -f /usr/sbin/update-ca-certificates; mkdir -p /etc/pki/ca-trust/source/anchors /etc/NetworkManager")
    stream.write("/usr/sbin/update-ca-trust", UPDATE_CA_TRUST, 0o755)
    unit = "[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
    for name in ("NetworkManager", "sshd"):
        stream.write(f"/usr/lib/systemd/system/{name}.service", unit)
    stream.write("/usr/lib/systemd/system/sshd-keygen@.service", unit)
    stream.run("ssh-keygen -A > /dev/null; echo 0123456789abcdef0123456789abcdef > /etc/machine-id")
    stream.write("/var/lib/systemd/random-seed", "of the build")
    (tmp_path / "keys").write_text(KEYS)
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "mine.sh").write_text("#!/bin/sh\n")
    environment = {
        "NODEPOOL_PUBLIC_KEY_FILE": str(tmp_path / "keys"),
        "NODEPOOL_CA_FILE": str(tmp_path / "ca.pem"),
        "NODEPOOL_SCRIPTS_DIR": str(tmp_path / "scripts"),
        "NODEPOOL_ROOT_KEY": "1",
        "IMAGE_ELEMENT": "centos-minimal vm nodepool-minimal",
    }
    stream.element("nodepool-firstboot", environment)
    stream.element("nodepool-minimal", environment)
    return stream


def test_the_image_is_as_the_pool_wants_it(image: Stream) -> None:
    """User, keys, sudo, places, sshd, network, authority: all that the README promises."""
    look = image.run(
        "cat /home/jenkins/.ssh/authorized_keys; cat /root/.ssh/authorized_keys; "
        "stat -c '%a %U %n' /etc/nodepool /opt/nodepool-scripts /opt/nodepool-scripts/mine.sh /home/jenkins/.ssh; "
        "setpriv --reuid jenkins --regid jenkins --init-groups sudo -n id -u"
    ).stdout
    assert look == (
        f"{KEYS}{KEYS}777 root /etc/nodepool\n755 jenkins /opt/nodepool-scripts\n"
        "644 jenkins /opt/nodepool-scripts/mine.sh\n700 jenkins /home/jenkins/.ssh\n0\n"
    )
    settings = image.run("mkdir -p /run/sshd; ssh-keygen -A > /dev/null; sshd -T").stdout
    for wanted in (
        "usedns no",
        "trustedusercakeys /etc/nodepool-ssh/ca.pub",
        "authorizedprincipalsfile /etc/nodepool-ssh/principals",
        "hostkey /etc/ssh/ssh_host_ed25519_key",
    ):
        assert wanted in settings
    assert settings.count("\nhostkey ") == 1
    assert "AAAA" in image.run("cat /etc/pki/ca-trust/bundle").stdout
    enabled = image.run(
        "ls /etc/systemd/system/multi-user.target.wants /etc/systemd/system/sysinit.target.wants"
    ).stdout
    assert "NetworkManager.service" in enabled
    assert "nodepool-firstboot.service" in enabled
    assert not image.path("/etc/systemd/network/80-nodepool-dhcp.network").exists()
    assert image.run("readlink /etc/systemd/system/sshd-keygen@.service").stdout == "/dev/null\n"


def test_nothing_that_two_nodes_must_not_share_stays_in_the_image(image: Stream) -> None:
    """Neither the identity of the machine nor keys of a host, and no random seed."""
    look = "stat -c '%s' /etc/machine-id; find /etc/ssh /var/lib/systemd -name 'ssh_host_*' -o -name random-seed"
    assert image.run(look).stdout == "0\n"
