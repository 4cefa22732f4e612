"""The pool on one page."""

from nodepool_lite.config.settings import Config
from nodepool_lite.model.image import BuildState
from nodepool_lite.model.lease import LeaseState
from nodepool_lite.model.node import NodeState
from nodepool_lite.model.pool import Backoff, Leader, Member
from nodepool_lite.service.status import status
from nodepool_lite.store.memory import MemoryStore
from nodepool_lite.testing import NOW, make_build, make_lease, make_node, make_upload, numbered


def backoff(store: MemoryStore, name: str, error: str) -> None:
    """Have something fail."""
    store.create(Backoff(id=name, failures=3, error=error, since=NOW - 60, last=NOW, next_try=NOW + 60))


def test_an_empty_pool_wants_what_is_configured(store: MemoryStore, config: Config) -> None:
    """Every label and provider has its line."""
    page = status(store.snapshot(), config)
    assert [(label.name, label.wanted, label.ready) for label in page.labels] == [("debian-12", 1, 0), ("rdo", 1, 0)]
    assert [(each.name, each.servers, each.max_servers) for each in page.providers] == [("local", 0, 10)]
    assert page.members == ()


def test_nodes_are_counted_by_label_and_state(store: MemoryStore, config: Config) -> None:
    """A set counts once, and the waiting leases add to what is wanted."""
    store.create(make_node(1, subnodes=(numbered(2),)))
    store.create(make_node(2, primary=numbered(1)))
    store.create(make_node(3, state=NodeState.PREPARING))
    store.create(make_node(4, state=NodeState.IN_USE))
    store.create(make_node(5, state=NodeState.FAILED))
    store.create(make_node(6, state=NodeState.HOLD))
    store.create(make_lease("a", count=2))
    store.create(make_lease("b", state=LeaseState.ENDED))
    label = status(store.snapshot(), config).labels[0]
    assert (label.wanted, label.ready, label.building, label.in_use, label.failed, label.hold) == (3, 1, 1, 1, 1, 1)
    assert label.waiting == 1


def test_a_label_tells_why_its_launches_fail_and_when_the_next_is(store: MemoryStore, config: Config) -> None:
    """Its own failure is nearer than its provider's."""
    backoff(store, "provider/local", "the cloud is down")
    backoff(store, "launch/rdo@local", "no such network")
    first, second = status(store.snapshot(), config).labels
    assert first.error == "the cloud is down"
    assert (second.error, second.next_try) == ("no such network", NOW + 60)


def test_a_label_without_an_image_tells_why_there_is_none(store: MemoryStore, config: Config) -> None:
    """The failing build is the label's trouble as long as no image serves."""
    backoff(store, "build/debian-12", "mirror not reachable")
    assert status(store.snapshot(), config).labels[0].error == "mirror not reachable"
    store.create(make_upload(1))
    page = status(store.snapshot(), config)
    assert page.labels[0].error == ""
    assert page.images[0].error == "mirror not reachable"


def test_images_tell_what_serves_and_what_is_being_built(store: MemoryStore, config: Config) -> None:
    """The newest ready build, where it was uploaded to, and the phase of the running one."""
    store.create(make_build(1, since=NOW - 100))
    store.create(make_upload(1))
    store.create(make_build(2, state=BuildState.BUILDING, phase="install.d/60-packages"))
    image = status(store.snapshot(), config).images[0]
    assert (image.serving, image.since, image.uploaded_to) == ("debian-12-0000000001", NOW - 100, ("local",))
    assert (image.building, image.building_since) == ("install.d/60-packages", NOW)


def test_an_image_that_nobody_can_upload_says_so(store: MemoryStore, config: Config) -> None:
    """Its host has no builder any more; once it has, it is only a matter of time."""
    store.create(make_build(1))
    lost = "debian-12-0000000001 is not at local, and builder-1, which holds it, has no builder"
    assert status(store.snapshot(), config).images[0].error == lost
    store.create(Member(id="m", role="builder", host="builder-1", pid=1, started=NOW, software="1"))
    assert status(store.snapshot(), config).images[0].error == ""


def test_a_label_that_is_not_configured_any_more_is_still_told(store: MemoryStore, config: Config) -> None:
    """As long as it has nodes."""
    store.create(make_node(1, label="old"))
    label = status(store.snapshot(), config).labels[-1]
    assert (label.name, label.wanted, label.error) == ("old", 0, "no longer configured")


def test_processes_tell_of_a_refused_configuration(store: MemoryStore, config: Config) -> None:
    """And who drives which provider."""
    store.create(
        Member(
            id="all-here-7", role="all", host="here", pid=7, started=NOW, software="0.1.0", config_error="line 3: no"
        )
    )
    store.create(Leader(id="provider/local", holder="all-here-7"))
    page = status(store.snapshot(), config)
    assert [(each.role, each.pid, each.config_error) for each in page.members] == [("all", 7, "line 3: no")]
    assert page.providers[0].leader == "all-here-7"


def test_processes_tell_what_they_cannot_do(store: MemoryStore, config: Config) -> None:
    """A full disk, a provider that cannot be opened, or no room for what is wanted."""
    store.create(Member(id="m", role="all", host="a", pid=1, started=NOW, software="1", notice="no image is built"))
    page = status(store.snapshot(), config)
    assert page.pool == config.pool_name
    assert [each.notice for each in page.members] == ["no image is built"]
