"""run_tripleo_standalone.sh on an image of Wallaby, to its end and to its failures, with a stand-in for the client."""

from pathlib import Path

import pytest

from nodepool_lite.access.script import tail_reason
from tests.elements.repositories import TEMPLATES
from tests.elements.stream import Stream

pytestmark = [pytest.mark.machine, pytest.mark.proof]
STANDALONE = f"{TEMPLATES}/environments/standalone/standalone-tripleo.yaml"
IMAGE = {"RDO_RELEASE": "wallaby", "RDO_PACKAGES": "python3-tripleoclient"}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, url: str) -> Stream:
    """What an image of the documentation's table holds."""
    stream = Stream(tmp_path_factory.mktemp("tripleo"), url)
    stream.add_user()
    stream.element("rdo-requirements", IMAGE)
    return stream


@pytest.fixture
def node(image: Stream, tmp_path: Path) -> Stream:
    """A fresh node of the image."""
    return image.copy(tmp_path)


def deploy(node: Stream) -> tuple[int, str]:
    """Run the script where the containers' registry is known by name; return its status and all that it said."""
    done = node.script("run_tripleo_standalone.sh", resolves="quay.io")
    return done.returncode, done.stdout


def reason(output: str) -> str:
    """Return what the pool would show as the reason."""
    return tail_reason(output.encode())


def test_a_node_is_deployed_and_offers_what_the_others_do(node: Stream) -> None:
    """Both keystonerc files are the login user's, with TripleO's region; there is an external network, and user01."""
    status, output = deploy(node)
    assert status == 0, output
    home = node.path("/home/jenkins")
    for user in ("admin", "user01"):
        file = home / f"keystonerc_{user}"
        assert (file.stat().st_mode & 0o777, file.stat().st_uid) == (0o600, home.stat().st_uid)
        assert f"OS_USERNAME={user}" in file.read_text()
        assert "OS_REGION_NAME=regionOne" in file.read_text()
    password = node.run("sed -n 's/^ *password: //p' /etc/openstack/clouds.yaml").stdout.strip()
    assert f"OS_PASSWORD='{password}'" in (home / "keystonerc_admin").read_text()
    made = {each.name: each.read_text() for each in node.path("/var/lib/openstack-stand-in").iterdir()}
    assert "--provider-physical-network datacentre" in made["network-external_network"]
    assert {"subnet-public_subnet", "project-user01", "user-user01", "role"} <= set(made)


def test_what_ansible_does_is_shown_as_steps(node: Stream) -> None:
    """In the words of its tasks; how they ended is not."""
    _, output = deploy(node)
    assert "::step:: tripleo: Start containers for step 3\n" in output
    assert output.count("::step:: tripleo: ") == 3


def test_the_proxy_before_the_services_has_an_address_of_its_own(node: Stream) -> None:
    """Where the release has one; before, nothing would have that address."""
    _, output = deploy(node)
    auth_url = "export OS_AUTH_URL=http://{}:5000"
    assert auth_url.format("172.31.99.2") in node.path("/home/jenkins/keystonerc_admin").read_text(), output
    disabled = "resource_registry:\n  OS::TripleO::Services::HAproxy: OS::Heat::None\n"
    node.write(STANDALONE, disabled)
    status, output = deploy(node)
    assert status == 0, output
    assert auth_url.format("172.31.99.1") in node.path("/home/jenkins/keystonerc_admin").read_text()


def test_a_second_run_changes_no_password_and_makes_nothing_twice(node: Stream) -> None:
    """After a failure the pool may run it again on the same node."""
    node.write("/root/tripleo-fails", "Create identity public endpoint")
    assert deploy(node)[0] != 0
    node.write("/root/tripleo-fails", "")
    assert deploy(node)[0] == 0
    before = node.path("/home/jenkins/keystonerc_user01").read_text()
    status, output = deploy(node)
    assert status == 0, output
    assert node.path("/home/jenkins/keystonerc_user01").read_text() == before


def test_when_a_task_fails_the_reason_names_it_its_error_and_the_log(node: Stream) -> None:
    """In the last lines, so that nobody has to look for them."""
    node.write("/root/tripleo-fails", "Start containers for step 3")
    status, output = deploy(node)
    assert status != 0
    said = reason(output)
    for words in (
        "failed at: deploying",
        'FATAL | Start containers for step 3 | standalone | error={"msg": "it broke"}',
        "TripleO's log: /root/standalone_deploy.log",
    ):
        assert words in said
    assert not node.path("/home/jenkins/keystonerc_admin").exists()


def test_an_image_without_its_client_is_told(rdo_image: Stream, tmp_path: Path) -> None:
    """With what the image has to be made of."""
    done = rdo_image.copy(tmp_path).script("run_tripleo_standalone.sh", {"NODEPOOL_TRIPLEO_RELEASE": "wallaby"})
    assert done.returncode != 0
    said = reason(done.stdout)
    assert "its openstack client knows no tripleo: dnf install python3-tripleoclient" in said
    assert "quay.io resolves to nothing" in said


@pytest.mark.parametrize("release", ["epoxy", "antelope", ""])
def test_it_refuses_what_never_had_it(rdo_image: Stream, tmp_path: Path, release: str) -> None:
    """With a sentence, and what to take instead."""
    node = rdo_image.copy(tmp_path)
    node.write("/etc/rdo-requirements", "RDO_RELEASE=\n")
    done = node.script("run_tripleo_standalone.sh", {"NODEPOOL_TRIPLEO_RELEASE": release})
    assert done.returncode != 0
    said = reason(done.stdout)
    assert f"TripleO ended with Wallaby; there is none for {release or 'a release that was not named'}" in said
    assert "use run_packstack.sh or run_kolla.sh" in said
