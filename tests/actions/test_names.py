"""How nodes and images are called."""

import re

import pytest

from nodepool_lite.actions.nodes import hostname_of
from nodepool_lite.config.settings import Provider
from nodepool_lite.testing import LABEL, make_node
from tests.actions.conftest import MakeWorld


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("{label}-{node_id}", "my-label-0000000042"),
        ("{label.name}-{provider.name}-{node.id}", "my-label-rack-2-0000000042"),
        ("CI {node_id}_x.", "ci-0000000042-x"),
        ("n{node_id}" + "x" * 99, "n0000000042" + "x" * 52),
    ],
)
def test_a_host_name_follows_its_format_and_is_safe_for_dns(form: str, name: str) -> None:
    """Also in the words of Nodepool's own formats."""
    provider = Provider(name="rack.2", driver="simulated", hostname_format=form)
    assert hostname_of(provider, make_node(42, label="my_label")) == name


def test_an_image_is_called_by_its_format(make_world: MakeWorld) -> None:
    """What is filled in makes the name unique."""
    world = make_world()
    provider = world.config.providers[0].but(image_name_format="ci/{image_name}@{timestamp}")
    world.config = world.config.but(providers=(provider,))
    world.run(60)
    (upload,) = world.records.uploads.values()
    assert re.fullmatch(rf"ci/{LABEL}@\d+-\d+", upload.image_name)
