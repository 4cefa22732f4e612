"""What the pool may expect of every driver of a cloud when there is no room, no address, or a server breaks."""

import pytest

from nodepool_lite.clouds.driver import ServerState
from nodepool_lite.model.errors import CapacityError
from tests.clouds.troubles import ROOM, SimulatedTroubles, Troubles


@pytest.fixture
def troubles() -> Troubles:
    """Give the simulated cloud."""
    return SimulatedTroubles()


def test_a_server_that_there_is_no_room_for_is_refused_as_such(troubles: Troubles) -> None:
    """Nothing comes of it; the use is told, and another one's end makes room."""
    driver = troubles.small()
    made = [driver.create_server(troubles.spec(number)) for number in range(driver.quota().servers_used, ROOM)]
    with pytest.raises(CapacityError):
        driver.create_server(troubles.spec(9))
    assert sorted(each.id for each in driver.list_servers()) == sorted(made)
    assert (driver.quota().servers, driver.quota().servers_used) == (ROOM, ROOM)
    driver.delete_server(made[0])
    troubles.gone(driver, made[0])
    assert driver.create_server(troubles.spec(9)) not in made


def test_a_server_that_needs_an_address_is_given_one(troubles: Troubles) -> None:
    """It says so itself; being asked twice gives no second one."""
    driver = troubles.outside()
    assert driver.need(troubles.pool, troubles.label).addresses == 1
    server_id = driver.create_server(troubles.spec())
    waiting = troubles.listed(driver, server_id, lambda each: each.lacks_address)
    assert (waiting.state, waiting.address) == (ServerState.ACTIVE, None)
    driver.give_address(server_id)
    driver.give_address(server_id)
    reached = troubles.listed(driver, server_id, lambda each: each.address)
    assert (reached.state, reached.lacks_address) == (ServerState.ACTIVE, False)
    driver.delete_server(server_id)
    troubles.gone(driver, server_id)


def test_a_server_in_error_is_listed_as_such_until_it_is_deleted(troubles: Troubles) -> None:
    """Whatever it was before."""
    driver = troubles.ordinary()
    server_id = driver.create_server(troubles.spec())
    troubles.listed(driver, server_id, lambda each: each.state is ServerState.ACTIVE)
    troubles.break_server(server_id)
    broken = troubles.listed(driver, server_id, lambda each: each.state is ServerState.ERROR)
    assert broken.node_id == troubles.spec().node_id
    driver.delete_server(server_id)
    troubles.gone(driver, server_id)
