"""The simulated cloud misbehaves as it is told to, and only by the clock."""

from pathlib import Path

import pytest

from nodepool_lite.clouds.driver import ImageSpec, ServerState
from nodepool_lite.clouds.simulated import SimulatedCloud, SimulatedDriver, SimulatedOptions, parse_options
from nodepool_lite.model.errors import BadRequestError, CapacityError, TryAgainLaterError
from nodepool_lite.testing import FakeClock

from .worlds import spec

IMAGE = ImageSpec(pool_id="pool-1", upload_id="tiny/1", name="tiny", path=Path("tiny.raw"), format="raw", sha256="")


def opened(clock: FakeClock | None = None, **options: object) -> SimulatedDriver:
    """Return a driver of a new cloud that has the image `tiny`."""
    made = SimulatedOptions(**{"images": ("tiny",)} | options)
    return SimulatedDriver(SimulatedCloud(clock or FakeClock(), made), "pool-1")


def test_a_server_is_active_when_its_boot_time_is_over_and_not_before() -> None:
    """States are a function of the clock."""
    clock = FakeClock()
    driver = opened(clock, boot_time=30)
    driver.create_server(spec("tiny"))

    clock.advance(29.9)
    assert driver.list_servers()[0].state is ServerState.STARTING
    clock.advance(0.1)
    assert driver.list_servers()[0].state is ServerState.ACTIVE


def test_a_server_is_deleting_for_the_delete_time() -> None:
    """Asking twice does not prolong it."""
    clock = FakeClock()
    driver = opened(clock, delete_time=10)
    server_id = driver.create_server(spec("tiny"))

    driver.delete_server(server_id)
    clock.advance(6)
    driver.delete_server(server_id)
    assert driver.list_servers()[0].state is ServerState.DELETING
    clock.advance(4)
    assert not driver.list_servers()


def test_servers_above_the_limits_are_refused_for_want_of_capacity() -> None:
    """Each limit is held on its own and named."""
    for limit in ({"max_servers": 1}, {"max_cores": 3}, {"max_ram": 200}):
        driver = opened(**limit)
        driver.create_server(spec("tiny", 1, cores=2, ram=128))
        with pytest.raises(CapacityError, match="quota"):
            driver.create_server(spec("tiny", 2, cores=2, ram=128))


def test_a_vanished_server_is_not_listed() -> None:
    """Somebody else deleted it."""
    driver = opened()
    driver.cloud.vanish(driver.create_server(spec("tiny")))

    assert not driver.list_servers()


def test_a_broken_server_says_why() -> None:
    """ERROR comes with the cloud's words."""
    driver = opened()
    driver.cloud.break_server(driver.create_server(spec("tiny")), "no valid host")

    assert (driver.list_servers()[0].state, driver.list_servers()[0].fault) == (ServerState.ERROR, "no valid host")


def test_an_announced_fault_hits_the_next_call_of_that_name_once() -> None:
    """Tests choose what fails, and when."""
    driver = opened()
    driver.cloud.fail_next(TryAgainLaterError("overloaded"), "create_server")

    driver.list_servers()
    with pytest.raises(TryAgainLaterError, match="overloaded"):
        driver.create_server(spec("tiny"))
    assert not driver.list_servers()
    driver.create_server(spec("tiny"))


def test_a_lost_answer_has_its_effect_all_the_same() -> None:
    """The server is there although the caller was told otherwise."""
    driver = opened()
    driver.cloud.fail_next(TryAgainLaterError("connection reset"), "create_server", lost_answer=True)

    with pytest.raises(TryAgainLaterError):
        driver.create_server(spec("tiny"))

    assert len(driver.list_servers()) == 1


def test_faults_by_rate_repeat_with_their_seed() -> None:
    """The same seed gives the same bad luck."""

    def run(seed: int) -> list[bool]:
        driver = opened(error_rate=0.5, seed=seed)
        lucky = []
        for _ in range(50):
            try:
                driver.list_servers()
                lucky.append(True)
            except TryAgainLaterError:
                lucky.append(False)
        return lucky

    assert run(1) == run(1) != run(2)
    assert {True, False} == set(run(1))


def test_every_server_may_be_made_to_fail_at_boot() -> None:
    """It is STARTING first, then ERROR."""
    clock = FakeClock()
    driver = opened(clock, boot_error_rate=1, boot_time=5)
    driver.create_server(spec("tiny"))

    assert driver.list_servers()[0].state is ServerState.STARTING
    clock.advance(5)
    assert driver.list_servers()[0].state is ServerState.ERROR


@pytest.mark.parametrize(
    ("how", "error"),
    [("try-again-later", TryAgainLaterError), ("capacity", CapacityError), ("bad-request", BadRequestError)],
)
def test_every_server_may_be_refused(how: str, error: type[Exception]) -> None:
    """`fail-create` names the kind of error."""
    with pytest.raises(error):
        opened(fail_create=how).create_server(spec("tiny"))


def test_calls_are_counted_by_name_failed_ones_included() -> None:
    """Tests hold the pool to few calls."""
    driver = opened(fail_create="capacity")
    driver.list_servers()
    driver.list_servers()
    with pytest.raises(CapacityError):
        driver.create_server(spec("tiny"))

    assert driver.cloud.calls == {"list_servers": 2, "create_server": 1}


def test_the_cloud_remembers_every_server_that_was_asked_for_and_the_peak() -> None:
    """The promises about doubles and limits can be checked afterwards."""
    driver = opened()
    for number in (1, 2):
        driver.create_server(spec("tiny", number))
    for server in driver.list_servers():
        driver.delete_server(server.id)
    driver.create_server(spec("tiny", 3))

    assert [each.attempt for each in driver.cloud.asked] == ["attempt-1", "attempt-2", "attempt-3"]
    assert driver.cloud.peak == 2


def test_what_is_written_to_a_console_can_be_read() -> None:
    """Only the last 64 KiB, as everywhere."""
    driver = opened()
    server_id = driver.create_server(spec("tiny"))
    driver.cloud.write_console(server_id, "x" * 70000 + "end")

    assert len(driver.console_log(server_id)) == 65536
    assert driver.console_log(server_id).endswith("end")


def test_options_are_read_as_they_are_written_in_the_file() -> None:
    """Dashes in keys; a wrong key is named."""
    assert parse_options({"boot-time": 3, "max-servers": 2}).boot_time == 3
    with pytest.raises(BadRequestError, match="boot-tyme"):
        parse_options({"boot-tyme": 3})


def test_an_upload_that_was_cut_short_leaves_an_image_that_is_not_ready() -> None:
    """Such a one is found by its marks; the next upload of the same name does not take it for its own."""
    driver = opened()

    def cut_short(_percent: int) -> None:
        raise TryAgainLaterError("the builder stops")

    with pytest.raises(TryAgainLaterError):
        driver.upload_image(IMAGE, cut_short)
    (left,) = driver.list_images()
    assert not left.ready

    again = driver.upload_image(IMAGE, lambda _: None)

    assert [(each.id, each.ready) for each in driver.list_images()] == [(again, True)]
    assert again != left.id


def test_an_image_that_is_removed_while_it_is_uploaded_is_no_image() -> None:
    """Whoever uploads hears of it."""
    driver = opened()

    def removed(_percent: int) -> None:
        for each in driver.list_images():
            driver.delete_image(each.id)

    with pytest.raises(TryAgainLaterError, match="removed"):
        driver.upload_image(IMAGE, removed)
    assert not driver.list_images()
