"""Generations: what makes a node outdated, and what does not."""

from typing import Any

import pytest

from nodepool_lite.config.settings import CloudImage, Config, Label, PoolLabel
from nodepool_lite.model.image import UploadState
from nodepool_lite.plan.generation import Source, config_source, sources
from nodepool_lite.testing import LABEL, PROVIDER, make_config, make_upload
from tests.plan.views import make_view


def source(*records: Any, config: Config | None = None, **fields: Any) -> Source:
    """Return the one source."""
    (found,) = sources(make_view(*records, config=config, **fields))
    return found


def changed(**settings: Any) -> Config:
    """Return the configuration with these settings of the label in its pool."""
    base = make_config()
    provider = base.providers[0]
    pool = provider.pools[0].but(labels=(PoolLabel(name=LABEL, diskimage=LABEL, **settings),))
    return base.but(providers=(provider.but(pools=(pool,)),))


def labelled(**settings: Any) -> Config:
    """Return the configuration with these settings of the label."""
    return make_config(labels=(Label(name=LABEL, **settings),))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"config": changed(min_ram=4096)}, id="more RAM"),
        pytest.param({"config": changed(min_ram=512, flavor_name="m1.tiny")}, id="a flavor"),
        pytest.param({"config": labelled(ready_script="a.sh")}, id="a ready-script"),
        pytest.param({"config": labelled(verify_script="a.sh")}, id="a verify-script"),
        pytest.param({"config": labelled(subnodes=1)}, id="sub-nodes"),
    ],
)
def test_what_shapes_a_node_makes_another_generation(other: dict[str, Any]) -> None:
    """And voids back-offs."""
    assert source(**other).generation != source().generation
    assert source(**other).fingerprint != source().fingerprint


def test_a_new_upload_or_script_makes_another_generation_of_the_same_configuration() -> None:
    """What failed before may fail again: back-offs stay."""
    config = labelled(ready_script="a.sh")
    before = source(config=config, script_digests={LABEL: "1"})
    for after in (
        source(config=config, script_digests={LABEL: "2"}),
        source(make_upload(2), config=config, script_digests={LABEL: "1"}),
    ):
        assert after.generation != before.generation
        assert after.fingerprint == before.fingerprint


@pytest.mark.parametrize(
    "settings", [{"min_ready": 9}, {"max_ready_age": 60.0}, {"ready_script_timeout": 60.0}, {"ready_script_retries": 2}]
)
def test_how_many_are_kept_and_how_long_they_may_take_is_no_shape(settings: dict[str, Any]) -> None:
    """Nothing is replaced for that."""
    assert source(config=labelled(**settings)).generation == source().generation


def test_the_newest_ready_upload_serves() -> None:
    """Not one that is still on its way."""
    view = make_view(make_upload(2), make_upload(3, state=UploadState.UPLOADING), make_upload(4, provider="other"))
    (found,) = sources(view)
    assert found.build == f"{LABEL}/0000000002"


def test_without_an_upload_nothing_serves() -> None:
    """And there is no generation."""
    assert source(images=False).generation == ""


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        (CloudImage(name="cirros"), "cirros"),
        (CloudImage(name="cirros", image_name="cirros-0.6"), "cirros-0.6"),
        (CloudImage(name="cirros", image_id="1234"), "1234"),
    ],
)
def test_a_cloud_image_serves_without_an_upload(image: CloudImage, reference: str) -> None:
    """By its id, or else by its name at the provider."""
    base = make_config()
    label = PoolLabel(name=LABEL, cloud_image="cirros")
    provider = base.providers[0]
    pool = provider.pools[0].but(labels=(label,))
    provider = provider.but(pools=(pool,), cloud_images=(image,))
    found = source(config=base.but(providers=(provider,)), images=False)
    assert (found.image_id, found.build) == (reference, "")
    assert found.generation


def test_a_source_is_found_by_its_names() -> None:
    """Or not at all."""
    config = make_config()
    found = config_source(config, LABEL, PROVIDER, "main")
    assert found is not None
    assert found.backoff_id == f"launch/{LABEL}@{PROVIDER}"
    assert config_source(config, LABEL, PROVIDER, "other") is None
