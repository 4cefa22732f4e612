"""Which images take the SSH host key that the pool makes for their machines."""

from pathlib import Path

import pytest

from nodepool_lite.actions.dib.recipe import takes_host_key
from nodepool_lite.config.settings import Diskimage
from nodepool_lite.config.shipped import elements_dir


@pytest.mark.parametrize(
    ("elements", "takes"),
    [
        pytest.param(("debian-minimal", "vm", "nodepool-minimal"), True, id="our element brings what it needs"),
        pytest.param(("debian-minimal", "vm", "cloud-init"), True, id="cloud-init does it as well"),
        pytest.param(("debian-minimal", "vm"), False, id="nothing in it reads a config drive"),
    ],
)
def test_an_image_takes_the_key_if_something_in_it_reads_the_config_drive(
    elements: tuple[str, ...], takes: bool
) -> None:
    """The elements tell, with those that they depend on."""
    assert takes_host_key(Diskimage(name="an-image", elements=elements), (elements_dir(),)) is takes


def test_a_users_own_nodepool_minimal_takes_no_key(tmp_path: Path) -> None:
    """An element written before there was such a thing must not leave its nodes unreachable for ever."""
    (tmp_path / "nodepool-minimal" / "install.d").mkdir(parents=True)
    image = Diskimage(name="an-image", elements=("debian-minimal", "vm", "nodepool-minimal"))
    assert not takes_host_key(image, (tmp_path, elements_dir()))
