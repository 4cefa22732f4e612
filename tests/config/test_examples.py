"""The configurations that ship can be used as they are, and ask for what there is."""

from pathlib import Path

import pytest

from nodepool_lite.config.load import load
from nodepool_lite.config.scripts import verify_script
from nodepool_lite.config.settings import Config, Label
from nodepool_lite.config.shipped import etc_dir, scripts_dir

ENVIRONMENT = {"NODEPOOL_STATE_DIR": "/var/tmp/example"}
ANSWERS = Path(__file__).parents[1] / "elements" / "stand_ins" / "packstack.options"
READY = ("openstack-debian.yaml", "prove-rdo.yaml", "quickstart.yaml", "rdo.yaml", "test-day.yaml")


def loaded(name: str) -> tuple[Config, list[str]]:
    """Return an example's settings, and all that is said about it."""
    found = load(etc_dir() / name, ENVIRONMENT)
    assert found.config is not None, found.problems
    return found.config, [str(each) for each in found.problems]


@pytest.mark.parametrize("name", READY)
def test_an_example_has_no_problems(name: str) -> None:
    """No errors, no warnings: every element and script that it names is here."""
    assert loaded(name)[1] == []


@pytest.mark.parametrize("name", ["rdo.yaml", "test-day.yaml"])
def test_every_node_with_an_openstack_is_verified(name: str) -> None:
    """By asking its OpenStack, when it becomes ready and at each check."""
    config, _ = loaded(name)
    deployed = [label for label in config.labels if label.ready_script.startswith("run_")]
    assert len(deployed) > 5
    assert {verify_script(config, label) for label in deployed} == {"verify_openstack.sh"}


def test_every_way_to_an_openstack_is_verified() -> None:
    """Also those that no team's pool has: who uses one has its check."""
    scripts = {script.name for script in scripts_dir().glob("run_*.sh")}
    assert scripts >= {"run_packstack.sh", "run_tripleo_standalone.sh"}
    config, _ = loaded("rdo.yaml")
    labels = [Label(name="any", ready_script=script) for script in scripts]
    assert {verify_script(config, label) for label in labels} == {"verify_openstack.sh"}


def test_what_proves_the_rest_has_every_way_to_an_openstack_on_centos() -> None:
    """And the image with a browser."""
    config, _ = loaded("prove-rdo.yaml")
    scripts = {script.name for script in scripts_dir().glob("run_*.sh")} - {"run_openstack_debian.sh"}
    assert {label.ready_script for label in config.labels} - {""} == scripts
    assert {label.name for label in config.labels if not label.ready_script} == {"gui-tests"}


@pytest.mark.parametrize("name", ["rdo.yaml", "test-day.yaml"])
def test_every_answer_that_is_given_is_one_of_packstack(name: str) -> None:
    """As its manual has them."""
    known = {line.split()[0] for line in ANSWERS.read_text().splitlines() if line.startswith("CONFIG_")}
    config, _ = loaded(name)
    given = {key.removeprefix("PACKSTACK_") for image in config.diskimages for key in image.env_vars
             if key.startswith("PACKSTACK_CONFIG_")}  # fmt: skip
    assert given
    assert given <= known


def test_the_pool_of_an_rdo_team_has_what_it_needs() -> None:
    """Each release and trunk, the other installers, and machines that belong together."""
    config, _ = loaded("rdo.yaml")
    releases = {image.env_vars.get("RDO_RELEASE") for image in config.diskimages}
    assert {"epoxy", "dalmatian", "caracal", "master"} <= releases
    scripts = {label.ready_script for label in config.labels}
    assert {"run_packstack.sh", "run_poi.sh", "run_devstack.sh"} <= scripts
    assert any(label.subnodes for label in config.labels)
