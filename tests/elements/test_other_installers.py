"""The ready-scripts of the other installers, with stand-ins for what takes hours; and the hooks of their elements."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from nodepool_lite.access.script import tail_reason
from tests.elements.stream import Stream

pytestmark = [pytest.mark.machine, pytest.mark.proof]
RC = """export OS_AUTH_URL=http://127.0.0.1:5000/v3
export OS_USERNAME=admin
export OS_PASSWORD=secret
export OS_PROJECT_NAME=admin
"""


@pytest.fixture
def node(rdo_image: Stream, tmp_path: Path) -> Stream:
    """A node of an RDO image, with a client."""
    return rdo_image.copy(tmp_path)


def reason(output: str) -> str:
    """Return what the pool would show as the reason."""
    return tail_reason(output.encode())


def poi(node: Stream, run: str) -> None:
    """Put a stand-in of puppet-openstack-integration there: one scenario, and `run` as its run_tests.sh."""
    node.write("/opt/puppet-openstack-integration/run_tests.sh", f"#!/bin/bash -e\n{run}\n", 0o755)
    node.write("/opt/puppet-openstack-integration/fixtures/scenario001.pp", "")


POI = f"""
[ "$MANAGE_REPOS $MANAGE_PUPPET_MODULES $ADD_SWAP $SCENARIO" = "false false false scenario001" ]
dnf -y install "${{PUPPET_PKG:-puppet-agent}}"
printf '| %-76s |\\n' "Running Puppet Scenario: scenario001 (1st time)"
cat > /root/openrc << 'END'
{RC}END
"""


def test_p_o_i_runs_a_scenario_with_what_the_image_has(node: Stream) -> None:
    """Its headers are the steps; it ends with a client that works for the login user."""
    poi(node, POI)
    done = node.script("run_poi.sh")
    assert done.returncode == 0, done.stdout
    assert "::step:: scenario001: Running Puppet Scenario: scenario001 (1st time)" in done.stdout
    assert node.path("/home/jenkins/keystonerc_user01").exists()


def test_p_o_i_names_the_scenarios_that_there_are(node: Stream) -> None:
    """When another was asked for."""
    poi(node, POI)
    done = node.script("run_poi.sh", {"NODEPOOL_POI_SCENARIO": "scenario009"})
    assert done.returncode != 0
    assert "there is no scenario scenario009; there are: scenario001" in reason(done.stdout)


def test_p_o_i_tells_puppets_error(node: Stream) -> None:
    """And where the rest of the log is."""
    poi(node, 'echo "Error: Could not find class" > "$WORKSPACE/puppet.log"; exit 1')
    done = node.script("run_poi.sh")
    assert done.returncode != 0
    for words in ("left no /root/openrc", "Error: Could not find class", "Puppet's log: /var/tmp/poi/puppet.log"):
        assert words in reason(done.stdout)


def test_the_element_of_p_o_i_finds_its_modules(node: Stream) -> None:
    """RDO's packages of Puppet modules, and its own checkout among them; an unknown scenario fails the build."""
    poi(node, POI)
    node.element("poi-requirements")
    found = node.run("ls -l /etc/puppet/modules").stdout
    assert "keystone -> /usr/share/openstack-puppet/modules/keystone" in found
    assert "openstack_integration -> /opt/puppet-openstack-integration" in found
    assert node.run("cat /etc/poi-requirements").stdout == "SCENARIO=scenario001\n"
    done = node.element("poi-requirements", {"POI_SCENARIO": "scenario009"}, check=False)
    assert done.returncode != 0
    assert "there is no /opt/puppet-openstack-integration/fixtures/scenario009.pp" in done.stdout


DEVSTACK = {
    "stack.sh": """#!/bin/bash
set -e
[ "$(id -un) $HOME $PWD" = "stack /opt/stack /opt/stack/devstack" ]
grep -q '^ADMIN_PASSWORD=' local.conf
echo "2026-11-26 02:45:51.123 | Installing packages"
echo "2026-11-26 02:45:52.123 | noise"
[ ! -e /fails ] || { echo "[ERROR] $PWD/lib/keystone:1 it broke" | tee -a /opt/stack/logs/stack.sh.log; exit 1; }
""",
    "openrc": f'{RC}export OS_USERNAME=$1 OS_PROJECT_NAME=$2 OS_PASSWORD="with blank"\n',
    "tools/install_prereqs.sh": "#!/bin/bash\necho prerequisites\n",
}


def devstack(node: Stream) -> None:
    """Put a stand-in of DevStack there, and what the element makes of it."""
    for name, text in DEVSTACK.items():
        node.write(f"/opt/stack/devstack/{name}", text, 0o755)
    node.element("devstack-requirements", {"DEVSTACK_PREREQS": "0"})


def test_devstack_is_stacked_as_its_own_user(node: Stream) -> None:
    """From a checkout of the image, with a local.conf of the script's; both keystonerc files are there."""
    for name, text in DEVSTACK.items():
        node.write(f"/opt/stack/devstack/{name}", text, 0o755)
    assert "prerequisites" in node.element("devstack-requirements").stdout
    done = node.script("run_devstack.sh", {"NODEPOOL_DEVSTACK_LOCALRC": "enable_service h-eng;FOO=bar"})
    assert done.returncode == 0, done.stdout
    assert "::step:: devstack: Installing packages" in done.stdout
    assert "devstack: noise" not in done.stdout
    assert "OS_PASSWORD='with blank'" in node.path("/home/jenkins/keystonerc_demo").read_text()
    conf = node.path("/opt/stack/devstack/local.conf").read_text()
    assert "HOST_IP=172.31.99.1" in conf
    assert conf.endswith("[[local|localrc]]\nenable_service h-eng\nFOO=bar\n")


def test_devstacks_error_is_the_reason(node: Stream) -> None:
    """With its log."""
    devstack(node)
    node.write("/fails", "")
    done = node.script("run_devstack.sh")
    assert done.returncode != 0
    assert "lib/keystone:1 it broke" in reason(done.stdout)
    assert "DevStack's log: /opt/stack/logs/stack.sh.log" in reason(done.stdout)


KOLLA = f"""#!/bin/bash
set -e
echo "PLAY [Apply role $1] *****"
echo "$1" >> /root/kolla-did
[ "$1" != "$(cat /root/kolla-fails 2> /dev/null)" ] || {{
  echo 'fatal: [localhost]: FAILED! => no space' | tee -a "$ANSIBLE_LOG_PATH"; exit 2; }}
[ "$1" != post-deploy ] || printf '%s' '{RC}' > /etc/kolla/admin-openrc.sh
"""


REGISTRY = {"NODEPOOL_KOLLA_REGISTRY": "127.0.0.1:4000"}


def kolla(node: Stream) -> None:
    """Put a stand-in of Kolla-Ansible there, and an interface to work on."""
    node.write("/opt/kolla/bin/kolla-ansible", KOLLA, 0o755)
    node.write("/opt/kolla/bin/kolla-genpwd", "#!/bin/sh\necho done >> /etc/kolla/passwords.yml\n", 0o755)
    node.write("/opt/kolla/share/kolla-ansible/etc_examples/kolla/passwords.yml", "---\n")


def test_kolla_goes_through_its_playbooks(node: Stream) -> None:
    """In their order, each with its plays as steps; without a second interface it gets one that leads nowhere."""
    kolla(node)
    done = node.script("run_kolla.sh", REGISTRY)
    assert done.returncode == 0, done.stdout
    assert node.path("/root/kolla-did").read_text().split() == [
        "bootstrap-servers", "prechecks", "pull", "deploy", "post-deploy",
    ]  # fmt: skip
    assert "::step:: deploy: Apply role deploy" in done.stdout
    settings = node.path("/etc/kolla/globals.yml").read_text()
    assert 'docker_registry: "127.0.0.1:4000"' in settings
    assert 'neutron_external_interface: "ext0"' in settings


def test_kollas_error_is_the_reason(node: Stream) -> None:
    """With the playbook at which it happened."""
    kolla(node)
    node.write("/root/kolla-fails", "deploy")
    done = node.script("run_kolla.sh", REGISTRY)
    assert done.returncode != 0
    assert "failed at: kolla-ansible deploy" in reason(done.stdout)
    assert "FAILED! => no space" in reason(done.stdout)


def test_a_node_that_resolves_no_names_is_told_before_anything_is_fetched(node: Stream) -> None:
    """By the name of the registry, after a few attempts."""
    kolla(node)
    done = node.script("run_kolla.sh", {"NODEPOOL_KOLLA_REGISTRY": "registry.invalid:4000"})
    assert done.returncode != 0
    assert "this node cannot be prepared: registry.invalid resolves to nothing" in reason(done.stdout)
    assert not node.path("/root/kolla-did").exists()


@pytest.mark.parametrize(
    ("script", "prepare", "kept"),
    [
        ("run_poi.sh", partial(poi, run=POI), ("/home/jenkins/keystonerc_user01",)),
        ("run_devstack.sh", devstack, ("/opt/stack/devstack/local.conf",)),
        (
            "run_kolla.sh",
            kolla,
            ("/home/jenkins/keystonerc_user01", "/etc/kolla/passwords.yml", "/etc/kolla/globals.yml"),
        ),
    ],
    ids=["poi", "devstack", "kolla"],
)
def test_a_second_run_goes_on_with_the_same_passwords(
    node: Stream, script: str, prepare: Callable[[Stream], None], kept: tuple[str, ...]
) -> None:
    """And makes nothing twice: after a failure the pool may run it again on the same node."""
    prepare(node)
    assert node.script(script, REGISTRY).returncode == 0
    before = [node.path(name).read_text() for name in kept]
    again = node.script(script, REGISTRY)
    assert again.returncode == 0, again.stdout
    assert [node.path(name).read_text() for name in kept] == before


def test_the_element_of_kolla_has_kolla_ansible_itself(node: Stream, tmp_path: Path) -> None:
    """From PyPI, with the settings of the build host; what comes from elsewhere is last, and told if it fails."""
    mine = tmp_path / "mine.yml"
    mine.write_text("enable_heat: no\n")
    done = node.element("kolla-requirements", {"KOLLA_GLOBALS": str(mine)}, check=False)
    assert node.run("/opt/kolla/bin/kolla-ansible --version").stdout.startswith("kolla-ansible")
    assert node.run("openstack --version").stdout.startswith("openstack")
    assert node.path("/etc/kolla/globals.d/50-image.yml").read_text() == "enable_heat: no\n"
    if done.returncode:
        assert "Failed to install Ansible collections" in done.stdout + done.stderr
    else:
        assert "openstack.kolla" in node.run("/opt/kolla/bin/ansible-galaxy collection list").stdout


def test_the_browser_and_its_recorders_come_from_epel_and_nothing_else_does(node: Stream) -> None:
    """Afterwards EPEL is disabled, for RDO does not go with it."""
    asked = "import sys; open('/asked-of-pip', 'w').write(' '.join(sys.argv[1:]))"
    packages = node.run("python3 -c 'import site; print(site.getsitepackages()[0])'").stdout.strip()
    node.write(f"{packages}/pip/__init__.py", "")
    node.write(f"{packages}/pip/__main__.py", asked)
    node.element("gui-tests")
    installed = set(node.run("rpm -qa --qf '%{NAME} %{VERSION}\\n'").stdout.splitlines())
    assert {"asciinema 1.0", "chromedriver 1.0", "chromium 1.0", "ffmpeg-free 1.0", "python3-PyMySQL 1.1"} <= installed
    assert node.path("/asked-of-pip").read_text() == "install selenium"
    enabled = node.run("dnf -q repolist").stdout
    assert "baseos" in enabled
    assert "epel" not in enabled
    assert node.run("record-gui-tests --help").stdout.startswith("record-gui-tests [--output DIR]")
