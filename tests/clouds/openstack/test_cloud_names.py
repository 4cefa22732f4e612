"""Names that the cloud does not have are found before anything is asked for."""

import pytest

from nodepool_lite.clouds.driver import Need
from nodepool_lite.config.settings import PoolLabel, ProviderPool
from nodepool_lite.model.errors import BadRequestError
from tests.clouds.openstack.conftest import Door

pytestmark = pytest.mark.cloud


def test_every_wrong_name_is_told_with_the_names_that_there_are(door: Door) -> None:
    """All of them at once, for each label."""
    driver = door.driver(
        pool={"networks": ["bulky"], "security-groups": ["defaults"], "availability-zones": ["fake", "mars"]},
        label={"flavor-name": "tiniest", "key-name": "lost", "cloud-image": "blank"},
        **{"cloud-images": [{"name": "blank", "image-name": "emptyy"}]},
    )
    found = " | ".join(driver.problems())
    for sentence in (
        "label web in pool main: there is no flavor `tiniest`; there are: tiny (512 MiB)",
        "there is no network `bulky`; there are: bulk, private",
        "there is no security group `defaults`; there are: default",
        "there is no availability zone `mars`; there are: fake",
        "there is no key pair `lost`; there are:",
        "there is no active image `emptyy`; there are:",
    ):
        assert sentence in found, found


def test_a_launch_with_a_wrong_name_is_refused_before_any_server_is_asked_for(door: Door) -> None:
    """And asking again costs nothing: the lists are read again only after a while."""
    driver = door.driver(pool={"networks": ["bulky"]})
    for _ in range(5):
        with pytest.raises(BadRequestError, match="there is no network `bulky`"):
            driver.create_server(door.spec())
    assert not door.proxy.made("POST", "compute/v2.1/servers")
    assert len(door.proxy.made("GET", "network/v2.0/networks")) <= 2


def test_need_is_what_the_flavor_takes(door: Door) -> None:
    """The planner counts with it before it launches anything; `min-ram` means the flavor that is chosen for it."""
    driver = door.driver()
    assert driver.need(ProviderPool(networks=("bulk",)), PoolLabel(name="x", min_ram=1500)) == Need(
        cores=2, ram=4096, ports=1
    )
    with pytest.raises(BadRequestError, match=r"no flavor with 999999 MiB.*; there is no network `mars`"):
        driver.need(ProviderPool(networks=("mars",)), PoolLabel(name="x", min_ram=999_999))


def test_several_networks_want_to_be_chosen_from(door: Door) -> None:
    """Nova would not know which either."""
    driver = door.driver(pool={"networks": []})
    assert "name the networks of the pool's servers under `networks`; there are: bulk" in driver.problems()[0]


def test_a_floating_network_that_is_none_is_told(door: Door) -> None:
    """It has to be external."""
    driver = door.driver(pool={"floating-network": "bulk"})
    (problem,) = driver.problems()
    assert problem.endswith("floating IPs cannot come from the network `bulk`: it is not external")
    assert list(driver.list_servers()) == []


def test_an_entry_that_clouds_yaml_lacks_is_told(door: Door) -> None:
    """With the entries that there are."""
    (problem,) = door.driver(cloud="onne").problems()
    assert "clouds.yaml has no entry `onne`" in problem
    assert "one, two" in problem.replace("neighbour, ", "")


def test_a_region_that_there_is_not_is_told(door: Door) -> None:
    """With those that the entry names; or, where it names none, with what the catalogue lacks there."""
    (problem,) = door.driver(**{"region-name": "Mars"}).problems()
    assert "Region Mars is not a valid region name for cloud one. Valid choices are RegionOne" in problem
    own = {f"{name}_endpoint_override": None for name in ("compute", "network", "image")}
    door.write_clouds(region_name=None, **own)
    problems = door.driver(**{"region-name": "Mars"}).problems()
    assert "this cloud has no compute service" in problems[0]
