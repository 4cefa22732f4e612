"""The images of a pool in a real Glance: one build at several providers, the way back, and what nobody knows of."""

import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from openstack.connection import Connection

from nodepool_lite.model.image import Build, BuildState, Upload, UploadState
from nodepool_lite.model.node import Node, NodeState
from nodepool_lite.store.base import Snapshot
from tests.cloud.conftest import Cloud
from tests.cloud.pools import pool_id, running
from tests.cloud.proxy import FaultProxy, refusal, withheld
from tests.cloud.way import UPSTREAMS
from tests.clouds.openstack.conftest import Door, members
from tests.machine.pool import CLEAN, RealPool
from tests.waiting import eventually

__all__ = ["members"]

pytestmark = pytest.mark.cloud
DIB = Path(__file__).parent.parent / "systemd" / "empty-image-create"
HEAD = """
state-dir: {base}/state
images-dir: {base}/images
cleanup-interval: 3s
diskimages: [{{name: web, elements: [vm], dib-cmd: {dib}}}]
labels: [{{name: web, min-ready: 1}}, {{name: elsewhere}}]
providers:
"""
PROVIDER = """
  - name: {name}
    cloud: {cloud}
    login-test: false
    rate: 0.01
    diskimages: [{{name: web}}]
    pools:
      - max-servers: 3
        networks: [bulk]
        availability-zones: [fake]
        labels: [{{name: {label}, diskimage: web, flavor-name: tiny}}]
"""
PROVIDERS = {"one": ("one", "web"), "one-again": ("one", "elsewhere"), "two": ("two", "elsewhere")}
"""Provider -> the entry of clouds.yaml, and the label that it makes; two are doors to the same project."""
CONTENT = "image/v2/images/.*/file"
WITHIN = 120.0


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultProxy]:
    """Give a proxy that the pool's calls go through."""
    with FaultProxy(UPSTREAMS).running() as made:
        yield made


@pytest.fixture(scope="module")
def pool(
    cloud: Cloud, proxy: FaultProxy, members: list[Connection], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealPool]:
    """Run a pool of three providers whose image is made in a moment; it has one build of it, or more."""
    base = tmp_path_factory.mktemp("images")
    Door(proxy, yaml.safe_load(cloud.clouds_yaml.read_text())["clouds"], base)
    providers = [PROVIDER.format(name=name, cloud=entry, label=label) for name, (entry, label) in PROVIDERS.items()]
    config = base / "nodepool.yaml"
    config.write_text(HEAD.format(base=base, dib=DIB) + "".join(providers))
    with running(config, {"OS_CLIENT_CONFIG_FILE": str(base / "clouds.yaml")}, members) as pool:
        pool.wait(lambda records: _served(records, *PROVIDERS), WITHIN)
        yield pool


@pytest.fixture
def pair(pool: RealPool) -> tuple[Build, Build]:
    """Have two builds at every provider: the older and the newer."""
    before = _newest(pool.wait(lambda records: _served(records, *PROVIDERS), WITHIN))
    pool.cli("image-build", "web")
    return before, _newest(pool.wait(lambda records: _served(records, *PROVIDERS, other_than=before), WITHIN))


def test_a_build_goes_to_all_its_providers_at_the_same_time(
    pool: RealPool, proxy: FaultProxy, members: list[Connection]
) -> None:
    """Each has an image of its own, also where two lead to the same project; what Glance holds is the same."""
    before = _newest(pool.wait(lambda records: _served(records, *PROVIDERS), WITHIN))
    _upload_all(pool, proxy, before).set()
    records = pool.wait(lambda records: _served(records, *PROVIDERS, other_than=before), WITHIN)
    images = {name: upload.image_id for name, upload in _uploads(records, _newest(records)).items()}
    assert len(set(images.values())) == len(PROVIDERS)
    one, two = members
    held = [one.image.get_image(images["one"]), one.image.get_image(images["one-again"])]
    held.append(two.image.get_image(images["two"]))
    assert len({image.hash_value for image in held}) == 1
    assert [image.visibility for image in held] == ["private"] * len(PROVIDERS)
    assert json.loads(pool.cli("alien-list", "-f", "json")) == []


def test_deleting_the_newest_image_returns_service_to_the_one_before(
    pool: RealPool, proxy: FaultProxy, members: list[Connection], pair: tuple[Build, Build]
) -> None:
    """At that provider alone. The image goes when its last node has gone, and is not uploaded again until asked for."""
    before, newest = pair
    records = pool.wait(lambda records: bool(_ready(records, newest)), WITHIN)
    kept, withdrawn = _ready(records, newest)[0], _uploads(records, newest)["one"]
    pool.cli("hold", kept.id, "--reason", "somebody looks into it")
    pool.cli("image-delete", withdrawn.name)
    records = pool.wait(lambda records: bool(_ready(records, before)), WITHIN)
    states = {name: each.state for name, each in _uploads(records, newest).items()}
    assert states == {"one": UploadState.DELETING, "one-again": UploadState.READY, "two": UploadState.READY}
    assert members[0].image.get_image(withdrawn.image_id).status == "active"
    refused = proxy.rule("DELETE", withdrawn.image_id, answer=refusal(409, "Image is in use"))
    pool.cli("unhold", kept.id)
    records = pool.wait(lambda records: withdrawn.id not in records.uploads, WITHIN)
    assert refused.seen == 1
    assert members[0].image.find_image(withdrawn.image_id) is None
    assert records.builds[newest.id].withdrawn == ("one",)
    pool.cli("image-upload", "one", "web")
    records = pool.wait(lambda records: bool(_ready(records, newest)), WITHIN)
    assert records.uploads[withdrawn.id].image_id != withdrawn.image_id


def test_a_build_is_kept_until_nothing_needs_it(pool: RealPool, pair: tuple[Build, Build]) -> None:
    """Its files stay while it is uploaded anywhere, though it was deleted."""
    before, _ = pair
    file = Path(before.files[0].path)
    pool.cli("dib-image-delete", before.name)
    *first, last = (upload.name for upload in _uploads(pool.records, before).values())
    pool.cli("image-delete", *first)
    records = pool.wait(lambda records: len(_uploads(records, before)) == 1, WITHIN)
    assert records.builds[before.id].state is BuildState.DELETING
    assert file.exists()
    pool.cli("image-delete", last)
    pool.wait(lambda records: before.id not in records.builds, WITHIN)
    assert not file.exists()


def test_images_of_the_pool_without_a_record_are_swept_and_other_peoples_are_not(
    pool: RealPool, members: list[Connection]
) -> None:
    """Ours are known by their mark; neither a name nor another pool's mark makes an image ours."""
    member = members[0]
    upload = _uploads(pool.records, _newest(pool.records))["one"]

    def make(mark: str) -> str:
        tags = [f"nodepool-{mark}", "nodepool-lite"] if mark else []
        marks = {"nodepool_pool_id": mark, "nodepool_upload_id": "web/0000000099/one"} if mark else {}
        form: dict[str, Any] = {"disk_format": "raw", "container_format": "bare", "allow_duplicates": True}
        made = member.image.create_image(name=upload.image_name, data=b"0" * 512, tags=tags, **form, **marks)
        return str(made.id)

    theirs = [make(""), make(f"{pool_id(pool)}x")]
    try:
        ours = make(pool_id(pool))
        eventually(lambda: member.image.find_image(ours) is None, WITHIN)
        assert [member.image.get_image(each).status for each in [*theirs, upload.image_id]] == ["active"] * 3
        swept = [line for line in pool.log.read_text().splitlines() if "image.alien" in line]
        assert [line for line in swept if ours not in line] == []
    finally:
        for each in theirs:
            member.image.delete_image(each)


def test_a_clean_stop_in_the_middle_of_an_upload_is_quick_and_costs_nothing(
    pool: RealPool, proxy: FaultProxy, members: list[Connection]
) -> None:
    """A slow cloud is not waited for; the next start goes on without a pause, and no image is left over."""
    before = _newest(pool.wait(lambda records: _served(records, *PROVIDERS), WITHIN))
    go_on = _upload_all(pool, proxy, before)
    assert pool.stop(CLEAN) == 0
    go_on.set()
    pool.start()
    records = pool.wait(lambda records: _served(records, *PROVIDERS, other_than=before), WITHIN)
    assert not records.backoffs
    images = {upload.image_id for upload in records.uploads.values()}
    marks = f"nodepool-{pool_id(pool)}"
    eventually(lambda: {each.id for each in members[0].image.images(tag=marks)} <= images, WITHIN)


def _upload_all(pool: RealPool, proxy: FaultProxy, before: Build) -> threading.Event:
    """Have a new build on its way to all providers; they answer when what is returned is set."""
    go_on = threading.Event()
    proxy.rule("PUT", CONTENT, times=len(PROVIDERS), change=withheld(go_on, WITHIN))
    pool.cli("image-build", "web")

    def all_on_their_way(records: Snapshot) -> bool:
        newest = _newest(records)
        states = [each.state for each in _uploads(records, newest).values()]
        return newest.id != before.id and states == [UploadState.UPLOADING] * len(PROVIDERS)

    pool.wait(all_on_their_way, WITHIN)
    return go_on


def _newest(records: Snapshot) -> Build:
    return max((each for each in records.builds.values() if each.state is BuildState.READY), key=lambda each: each.id)


def _uploads(records: Snapshot, build: Build) -> Mapping[str, Upload]:
    """Return the uploads of a build by their providers."""
    found = (each for each in records.uploads.values() if each.build == build.id)
    return {each.provider: each for each in sorted(found, key=lambda each: each.provider)}


def _served(records: Snapshot, *providers: str, other_than: Build | None = None) -> bool:
    """Tell whether the newest build is ready at all these providers."""
    if not any(each.state is BuildState.READY for each in records.builds.values()):
        return False
    newest = _newest(records)
    ready = {name for name, each in _uploads(records, newest).items() if each.state is UploadState.READY}
    return ready == set(providers) and (other_than is None or newest.id != other_than.id)


def _ready(records: Snapshot, build: Build) -> list[Node]:
    return [each for each in records.nodes.values() if each.state is NodeState.READY and each.build == build.id]
