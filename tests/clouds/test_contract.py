"""What the pool may expect of every driver."""

import pytest

from nodepool_lite.clouds.driver import Need, ServerState
from nodepool_lite.config.settings import PoolLabel, ProviderPool
from nodepool_lite.model.errors import BadRequestError, GoneError, TryAgainLaterError

from .worlds import World


def test_a_server_is_listed_with_the_marks_of_its_node(world: World) -> None:
    """What is asked for can be found again by node and attempt."""
    driver = world.open("pool-1")
    server_id = driver.create_server(world.spec(world.image(driver)))

    (server,) = driver.list_servers()

    assert (server.id, server.node_id, server.attempt) == (server_id, "0000000001", "attempt-1")
    assert server.name == "debian-12-0000000001"
    assert world.is_now(server.created)


def test_a_server_becomes_active_and_has_an_address(world: World) -> None:
    """A booted server can be reached somewhere."""
    driver = world.open("pool-1")
    server = world.seen(driver, driver.create_server(world.spec(world.image(driver))), ServerState.ACTIVE)

    assert server.address
    assert server.port


def test_a_new_driver_finds_the_servers_of_the_one_before(world: World) -> None:
    """A restarted launcher sees the same cloud."""
    before = world.open("pool-1")
    server_id = before.create_server(world.spec(world.image(before)))
    before.close()

    after = world.open("pool-1")

    assert world.seen(after, server_id, ServerState.ACTIVE).node_id == "0000000001"


def test_servers_and_images_of_another_pool_are_neither_seen_nor_touched(world: World) -> None:
    """Only what carries our mark is ours."""
    theirs, ours = world.open("pool-2"), world.open("pool-1")
    image_id = world.image(theirs, pool="pool-2")
    server_id = theirs.create_server(world.spec(image_id, pool="pool-2"))

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
    server_id = driver.create_server(world.spec(world.image(driver)))
    world.seen(driver, server_id, ServerState.ACTIVE)

    world.stop(server_id)

    assert world.seen(driver, server_id, ServerState.STOPPED).fault


def test_a_deleted_server_is_gone_and_may_be_deleted_again(world: World) -> None:
    """Deleting is idempotent."""
    driver = world.open("pool-1")
    server_id = driver.create_server(world.spec(world.image(driver)))

    driver.delete_server(server_id)
    driver.delete_server(server_id)

    world.gone(driver)
    driver.delete_server(server_id)


def test_a_server_of_an_unknown_image_will_never_work(world: World) -> None:
    """A missing image is a bad request, and leaves nothing behind."""
    driver = world.open("pool-1")

    with pytest.raises(BadRequestError, match="nowhere"):
        driver.create_server(world.spec("nowhere"))

    assert not driver.list_servers()


def test_an_image_is_listed_with_the_marks_of_its_upload(world: World) -> None:
    """Progress ends at a hundred percent, and the image is ready."""
    driver = world.open("pool-1")
    progress: list[int] = []

    image_id = driver.upload_image(world.file(), progress.append)

    (image,) = driver.list_images()
    assert (image.id, image.upload_id, image.name, image.ready) == (image_id, "tiny/1", "tiny", True)
    assert progress == sorted(progress)
    assert progress[-1] == 100


def test_an_image_is_taken_once(world: World) -> None:
    """A lost answer to an upload does not double the image."""
    driver = world.open("pool-1")

    assert world.image(driver) == world.image(driver)
    assert len(driver.list_images()) == 1


def test_an_upload_that_was_cut_short_is_no_image_that_serves(world: World) -> None:
    """What is left of it is found by its marks, and is not in the way of the next one."""
    driver = world.open("pool-1")

    def cut_short(_percent: int) -> None:
        raise TryAgainLaterError("the builder stops")

    with pytest.raises(TryAgainLaterError, match="the builder stops"):
        driver.upload_image(world.file(), cut_short)
    assert not any(image.ready for image in driver.list_images())

    image_id = world.image(driver)

    assert [(image.id, image.ready) for image in driver.list_images()] == [(image_id, True)]


def test_an_image_stays_while_a_server_needs_it(world: World) -> None:
    """In use means try again later; then it goes, and going twice is no error."""
    driver = world.open("pool-1")
    image_id = world.image(driver)
    server_id = driver.create_server(world.spec(image_id))

    with pytest.raises(TryAgainLaterError, match=server_id):
        driver.delete_image(image_id)

    driver.delete_server(server_id)
    driver.delete_image(image_id)
    driver.delete_image(image_id)
    assert not driver.list_images()


def test_the_console_of_a_server_that_is_not_there_is_gone(world: World) -> None:
    """An unknown server is told from an empty console."""
    driver = world.open("pool-1")
    server_id = driver.create_server(world.spec(world.image(driver)))

    assert isinstance(driver.console_log(server_id), str)
    with pytest.raises(GoneError, match="nobody"):
        driver.console_log("nobody")


def test_use_counts_what_servers_take(world: World) -> None:
    """Quota tells the use of servers and cores."""
    driver = world.open("pool-1")
    before = driver.quota()

    driver.create_server(world.spec(world.image(driver), cores=2))

    after = driver.quota()
    assert after.servers_used - before.servers_used == 1
    assert after.cores_used - before.cores_used == 2


def test_a_label_that_does_not_say_takes_one_core_and_a_gibibyte(world: World) -> None:
    """The planners count with what the driver will really take."""
    driver = world.open("pool-1")

    assert driver.need(ProviderPool(), PoolLabel(name="small")) == Need(cores=1, ram=1024)
    assert driver.need(ProviderPool(), PoolLabel(name="big", cores=2, min_ram=4096)) == Need(cores=2, ram=4096)
