"""run_packstack.sh on a dressed-up Stream, to its end and to its failures, with a stand-in as strict as Packstack."""

from pathlib import Path

import pytest

from nodepool_lite.access.script import last_step, tail_reason
from tests.elements.stream import Stream

pytestmark = [pytest.mark.machine, pytest.mark.proof]
ANSWERS = "/root/packstack-answers.txt"


@pytest.fixture
def node(rdo_image: Stream, tmp_path: Path) -> Stream:
    """A fresh node of the image."""
    return rdo_image.copy(tmp_path)


def answers(node: Stream) -> dict[str, str]:
    """Return the answers that Packstack was given."""
    lines = node.path(ANSWERS).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def reason(output: str) -> str:
    """Return what the pool would show as the reason."""
    return tail_reason(output.encode())


def test_a_node_is_deployed_and_offers_what_it_did_in_2017(node: Stream) -> None:
    """Both keystonerc files are the login user's, there is an external network, and user01."""
    done = node.script("run_packstack.sh")
    assert done.returncode == 0, done.stdout
    home = node.path("/home/jenkins")
    assert "OS_USERNAME=admin" in (home / "keystonerc_admin").read_text()
    assert "OS_PROJECT_NAME=user01" in (home / "keystonerc_user01").read_text()
    for name in ("keystonerc_admin", "keystonerc_user01"):
        found = (home / name).stat()
        assert (found.st_mode & 0o777, found.st_uid) == (0o600, home.stat().st_uid)
    made = {each.name: each.read_text() for each in node.path("/var/lib/openstack-stand-in").iterdir()}
    assert (
        "--external --provider-network-type flat --provider-physical-network extnet" in made["network-external_network"]
    )
    assert "192.168.200.0/24" in made["subnet-public_subnet"]
    assert {"project-user01", "user-user01", "role"} <= set(made)


def test_the_deployment_lives_on_the_address_that_stays(node: Stream) -> None:
    """Every host among the answers; and the node's name, with a domain, is that address."""
    assert node.script("run_packstack.sh", host="rdo-epoxy-0000000042").returncode == 0
    hosts = {key: value for key, value in answers(node).items() if key.endswith(("_HOST", "_HOSTS"))}
    assert set(hosts.values()) - {""} == {"172.31.99.1"}
    assert len(hosts) >= 7
    assert (
        node.path("/etc/hosts")
        .read_text()
        .startswith("172.31.99.1 rdo-epoxy-0000000042.localdomain rdo-epoxy-0000000042\n")
    )


def test_what_packstack_does_is_shown_as_steps(node: Stream) -> None:
    """And what is only noise is not."""
    output = node.script("run_packstack.sh").stdout
    assert "::step:: packstack: Applying 172.31.99.1_controller.pp" in output
    assert "Testing if puppet apply is finished" not in output
    assert "\x1b" not in output
    assert last_step(output.split("Applying Puppet")[0].rpartition("\n")[0].encode()).startswith("packstack: Applying")


def test_answers_are_given_by_the_image_and_by_the_launcher_who_wins(node: Stream) -> None:
    """And those that the script gives are defaults."""
    environment = {
        "NODEPOOL_PACKSTACK_CONFIG_NTP_SERVERS": "pool.ntp.org",
        "NODEPOOL_PACKSTACK_CONFIG_SERVICE_WORKERS": "4",
    }
    assert node.script("run_packstack.sh", environment).returncode == 0
    given = answers(node)
    assert given["CONFIG_HEAT_INSTALL"] == "y"
    assert given["CONFIG_NTP_SERVERS"] == "pool.ntp.org"
    assert given["CONFIG_SERVICE_WORKERS"] == "4"
    assert given["CONFIG_PROVISION_DEMO"] == "n"


def test_a_second_run_changes_no_password_and_makes_nothing_twice(node: Stream) -> None:
    """After a failure the pool may run it again on the same node."""
    assert node.script("run_packstack.sh").returncode == 0
    before = answers(node), node.path("/home/jenkins/keystonerc_user01").read_text()
    again = node.script("run_packstack.sh")
    assert again.returncode == 0, again.stdout
    assert (answers(node), node.path("/home/jenkins/keystonerc_user01").read_text()) == before


def test_an_answer_that_packstack_does_not_know_is_refused_at_once(node: Stream) -> None:
    """With its name, before anything is deployed."""
    done = node.script("run_packstack.sh", {"NODEPOOL_PACKSTACK_CONFIG_NAGIOS_INSTALL": "y"})
    assert done.returncode != 0
    assert "this Packstack has no answer CONFIG_NAGIOS_INSTALL (given as PACKSTACK_CONFIG_NAGIOS_INSTALL)" in reason(
        done.stdout
    )
    assert "running packstack" not in done.stdout


@pytest.mark.parametrize("manifest", ["controller", "network", "compute"])
def test_when_puppet_fails_the_reason_names_the_step_the_error_and_the_log(node: Stream, manifest: str) -> None:
    """In the last lines, so that nobody has to look for them."""
    node.write("/root/packstack-fails", manifest)
    done = node.script("run_packstack.sh")
    assert done.returncode != 0
    said = reason(done.stdout)
    assert "failed at: running packstack" in said
    assert f"Error: Could not start Service[{manifest}-api]" in said
    assert f"manifests/172.31.99.1_{manifest}.pp.log" in said
    assert not node.path("/home/jenkins/keystonerc_admin").exists()


def test_all_that_a_node_lacks_is_told_at_once(url: str, tmp_path: Path) -> None:
    """Before a minute is spent: here an image without the elements."""
    bare = Stream(tmp_path, url, "8")
    bare.add_user()
    done = bare.script("run_packstack.sh")
    assert done.returncode != 0
    said = reason(done.stdout)
    for words in ("it runs centos 8 and needs one of: centos:9", "there is no packstack", "has no domain"):
        assert words in said


def test_the_options_of_2017_are_refused_as_the_true_one_refuses_them(node: Stream) -> None:
    """What the script of that time would meet today."""
    done = node.run("packstack --allinone --os-swift-install=n --nagios-install=n", check=False)
    assert done.returncode == 2
    assert "no such option: --nagios-install" in done.stderr
