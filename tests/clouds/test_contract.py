"""What the pool may expect of every driver."""

import pytest

from nodepool_lite.clouds.driver import Need, ServerState
from nodepool_lite.config.settings import PoolLabel, ProviderPool
from nodepool_lite.model.errors import BadRequestError, GoneError, TryAgainLaterError

from . import guests
from .worlds import World, spec


def test_a_server_is_listed_with_the_marks_of_its_node(world: World) -> None:
    """What is asked for can be found again by node and attempt."""
    driver = world.open("pool-1")
    server_id = driver.create_server(spec(world.image(driver)))

    (server,) = driver.list_servers()

    assert (server.id, server.node_id, server.attempt) == (server_id, "0000000001", "attempt-1")
    assert server.name == "debian-12-0000000001"
    assert server.created == world.clock.now()


def test_a_server_becomes_active_and_has_an_address(world: World) -> None:
    """A booted server can be reached somewhere."""
    driver = world.open("pool-1")
    server = world.booted(driver, driver.create_server(spec(world.image(driver))))

    assert server.state is ServerState.ACTIVE
    assert server.address
    assert server.port


def test_a_new_driver_finds_the_servers_of_the_one_before(world: World) -> None:
    """A restarted launcher sees the same cloud."""
    before = world.open("pool-1")
    server_id = before.create_server(spec(world.image(before)))
    before.close()

    after = world.open("pool-1")

    assert world.booted(after, server_id).state is ServerState.ACTIVE


def test_servers_and_images_of_another_pool_are_neither_seen_nor_touched(world: World) -> None:
    """Only what carries our mark is ours."""
    theirs, ours = world.open("pool-2"), world.open("pool-1")
    image_id = world.image(theirs, pool_id="pool-2")
    server_id = theirs.create_server(spec(image_id, pool_id="pool-2"))

    assert not ours.list_servers()
    assert not ours.list_images()
    with pytest.raises(BadRequestError, match="pool-2"):
        ours.delete_server(server_id)
    with pytest.raises(BadRequestError, match="pool-2"):
        ours.delete_image(image_id)
    assert len(theirs.list_servers()) == len(theirs.list_images()) == 1


def test_a_server_that_does_not_run_any_more_is_stopped_and_says_why(world: World) -> None:
    """A dead machine is listed as such, so that the pool can replace it."""
    driver = world.open("pool-1")
    server_id = driver.create_server(spec(world.image(driver)))
    world.booted(driver, server_id)

    world.stop(server_id)

    server = world.booted(driver, server_id)
    assert server.state is ServerState.STOPPED
    assert server.fault


def test_a_deleted_server_is_gone_and_may_be_deleted_again(world: World) -> None:
    """Deleting is idempotent."""
    driver = world.open("pool-1")
    server_id = driver.create_server(spec(world.image(driver)))

    driver.delete_server(server_id)
    driver.delete_server(server_id)

    assert not driver.list_servers()


def test_a_server_of_an_unknown_image_will_never_work(world: World) -> None:
    """A missing image is a bad request, and leaves nothing behind."""
    driver = world.open("pool-1")

    with pytest.raises(BadRequestError, match="nowhere"):
        driver.create_server(spec("nowhere"))

    assert not driver.list_servers()


def test_an_image_is_listed_with_the_marks_of_its_upload(world: World) -> None:
    """Progress ends at a hundred percent, and the image is ready."""
    driver = world.open("pool-1")
    progress: list[int] = []

    image_id = driver.upload_image(guests.image(world.directory), progress.append)

    (image,) = driver.list_images()
    assert (image.id, image.upload_id, image.name, image.ready) == (image_id, "tiny/1", "tiny", True)
    assert progress == sorted(progress)
    assert progress[-1] == 100


def test_an_image_is_taken_once(world: World) -> None:
    """A lost answer to an upload does not double the image."""
    driver = world.open("pool-1")

    assert world.image(driver) == world.image(driver)
    assert len(driver.list_images()) == 1


def test_an_image_stays_while_a_server_needs_it(world: World) -> None:
    """In use means try again later; then it goes, and going twice is no error."""
    driver = world.open("pool-1")
    image_id = world.image(driver)
    server_id = driver.create_server(spec(image_id))

    with pytest.raises(TryAgainLaterError, match=server_id):
        driver.delete_image(image_id)

    driver.delete_server(server_id)
    driver.delete_image(image_id)
    driver.delete_image(image_id)
    assert not driver.list_images()


def test_the_console_of_a_server_that_is_not_there_is_gone(world: World) -> None:
    """An unknown server is told from an empty console."""
    driver = world.open("pool-1")
    server_id = driver.create_server(spec(world.image(driver)))

    assert isinstance(driver.console_log(server_id), str)
    with pytest.raises(GoneError, match="nobody"):
        driver.console_log("nobody")


def test_use_counts_what_servers_take(world: World) -> None:
    """Quota tells the use of servers and cores."""
    driver = world.open("pool-1")
    before = driver.quota()

    driver.create_server(spec(world.image(driver), cores=2))

    after = driver.quota()
    assert after.servers_used - before.servers_used == 1
    assert after.cores_used - before.cores_used == 2


def test_a_label_that_does_not_say_takes_one_core_and_a_gibibyte(world: World) -> None:
    """The planners count with what the driver will really take."""
    driver = world.open("pool-1")

    assert driver.need(ProviderPool(), PoolLabel(name="small")) == Need(cores=1, ram=1024)
    assert driver.need(ProviderPool(), PoolLabel(name="big", cores=2, min_ram=4096)) == Need(cores=2, ram=4096)
