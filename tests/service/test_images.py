"""Asking for builds and uploads, and deleting them."""

import pytest

from nodepool_lite.config.settings import Config, Label
from nodepool_lite.model.errors import NoSuchThingError
from nodepool_lite.model.image import BuildState, UploadState
from nodepool_lite.model.pool import Member, RequestKind
from nodepool_lite.service import images
from nodepool_lite.store.memory import MemoryStore
from nodepool_lite.testing import NOW, make_build, make_config, make_upload


def builder(store: MemoryStore) -> None:
    """Have a builder running."""
    store.create(Member(id="builder-here-1", role="builder", host="here", pid=1, started=NOW, software="0"))


def test_asking_for_a_build_leaves_a_wish_for_the_builders(store: MemoryStore, config: Config) -> None:
    """With the name of who asked."""
    builder(store)
    assert images.request_build(store, config, "debian-12", who="bob", now=NOW) == images.Asked("debian-12")
    (request,) = store.snapshot().requests.values()
    assert (request.kind, request.diskimage, request.requester) == (RequestKind.BUILD, "debian-12", "bob")


def test_asking_with_no_builder_running_says_so(store: MemoryStore, config: Config) -> None:
    """The wish stays until one starts."""
    asked = images.request_build(store, config, "debian-12", who="bob", now=NOW)
    assert "no builder is running" in asked.notes[0]


def test_asking_twice_is_one_wish(store: MemoryStore, config: Config) -> None:
    """The second time says that it was asked for already."""
    builder(store)
    images.request_build(store, config, "debian-12", who="bob", now=NOW)
    asked = images.request_build(store, config, "debian-12", who="eve", now=NOW)
    assert "asked for already" in asked.notes[0]
    assert len(store.snapshot().requests) == 1


def test_asking_for_an_unknown_image(store: MemoryStore, config: Config) -> None:
    """The one that was probably meant is named."""
    with pytest.raises(NoSuchThingError, match=r"no diskimage debian12 .*did you mean `debian-12`"):
        images.request_build(store, config, "debian12", who="bob", now=NOW)


def test_asking_for_an_upload_names_image_and_provider(store: MemoryStore, config: Config) -> None:
    """Both must fit together in the configuration."""
    builder(store)
    images.request_upload(store, config, "rdo", "local", who="bob", now=NOW)
    (request,) = store.snapshot().requests.values()
    assert (request.kind, request.diskimage, request.provider) == (RequestKind.UPLOAD, "rdo", "local")
    with pytest.raises(NoSuchThingError, match="no provider lokal"):
        images.request_upload(store, config, "rdo", "lokal", who="bob", now=NOW)


def test_a_label_stands_for_its_image(store: MemoryStore, config: Config) -> None:
    """In the old dialect image and diskimage have different names, and people know the former."""
    builder(store)
    pool = config.providers[0].pools[0]
    used = pool.labels[0].but(name="centos-7")
    provider = config.providers[0].but(pools=(pool.but(labels=(used,)),))
    renamed = config.but(providers=(provider,), labels=(Label(name="centos-7"),))
    assert images.request_upload(store, renamed, "centos-7", "local", who="bob", now=NOW).name == "debian-12 to local"


def test_deleting_a_build_of_several(store: MemoryStore) -> None:
    """Nothing to remark when another one is ready."""
    store.create(make_build(1))
    store.create(make_build(2))
    assert images.delete_build(store, "debian-12-0000000001", who="bob", now=NOW).notes == ()
    build = store.snapshot().builds["debian-12/0000000001"]
    assert (build.state, build.history[-1].reason) == (BuildState.DELETING, "deleted: by bob")


def test_deleting_the_only_build_says_what_follows(store: MemoryStore) -> None:
    """That a new one will be built, and that its uploads serve on."""
    store.create(make_build(1))
    store.create(make_upload(1))
    notes = images.delete_build(store, "debian-12/0000000001", who="bob", now=NOW).notes
    assert "debian-12-0000000001-local" in notes[0]
    assert "the only ready build of debian-12" in notes[1]


def test_deleting_the_only_image_says_what_follows(store: MemoryStore) -> None:
    """That no nodes come until it is uploaded again, and it is not uploaded again unasked."""
    store.create(make_build(1))
    store.create(make_upload(1))
    notes = images.delete_upload(store, "debian-12-0000000001-local", who="bob", now=NOW).notes
    assert "the only ready image of debian-12 at local" in notes[0]
    records = store.snapshot()
    assert records.uploads["debian-12/0000000001/local"].state is UploadState.DELETING
    assert records.builds["debian-12/0000000001"].withdrawn == ("local",)


def test_deleting_an_image_while_another_serves(store: MemoryStore) -> None:
    """Nothing to remark."""
    for number in (1, 2):
        store.create(make_build(number))
        store.create(make_upload(number))
    assert images.delete_upload(store, "debian-12-0000000001-local", who="bob", now=NOW).notes == ()


def test_deleting_what_is_going_already_says_so(store: MemoryStore) -> None:
    """And changes nothing."""
    store.create(make_build(1, state=BuildState.DELETING))
    store.create(make_upload(1, state=UploadState.DELETING))
    assert "already" in images.delete_build(store, "debian-12-0000000001", who="bob", now=NOW).notes[0]
    assert "already" in images.delete_upload(store, "debian-12-0000000001-local", who="bob", now=NOW).notes[0]


def test_deleting_what_does_not_exist(store: MemoryStore) -> None:
    """Builds and uploads have errors that name the list to look into."""
    with pytest.raises(NoSuchThingError, match="dib-image-list"):
        images.delete_build(store, "x-1", who="bob", now=NOW)
    with pytest.raises(NoSuchThingError, match="image-list"):
        images.delete_upload(store, "x-1-local", who="bob", now=NOW)


def test_an_abstract_diskimage_cannot_be_built(store: MemoryStore) -> None:
    """It only lends its settings."""
    config = make_config()
    abstract = config.diskimages[0].but(name="base", abstract=True)
    config = config.but(diskimages=(*config.diskimages, abstract))
    with pytest.raises(NoSuchThingError, match="no diskimage base"):
        images.request_build(store, config, "base", who="bob", now=NOW)
