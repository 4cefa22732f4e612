"""When the ids of those that are being built are enough, and when details are asked for."""

from nodepool_lite.clouds.openstack.glances import LOOK_EVERY, NEWS_WAIT, UNSURE, Glances

NOW = 1_700_000_000.0


def settled() -> Glances:
    """Return glances of a process that has run for a while, and has just asked what changed."""
    made = Glances()
    made.looked(NOW - UNSURE - 1)
    made.looked(NOW)
    return made


def test_after_the_start_details_are_asked_for_until_no_request_of_an_earlier_process_can_come_through() -> None:
    """Its server would be known by its marks alone."""
    glances = Glances()
    assert not glances.suffice(NOW)
    glances.looked(NOW)
    assert not glances.suffice(NOW + UNSURE)
    glances.looked(NOW + UNSURE)
    assert glances.suffice(NOW + UNSURE + 1)


def test_after_a_request_that_nobody_answered_details_are_asked_for() -> None:
    """Until a list was asked for so late that it must have the server, if there is one."""
    glances = settled()
    assert glances.suffice(NOW + 1)
    glances.doubt(NOW + 1)
    assert not glances.suffice(NOW + 2)
    glances.looked(NOW + UNSURE)
    assert not glances.suffice(NOW + UNSURE + 0.5)
    glances.looked(NOW + UNSURE + 1)
    assert glances.suffice(NOW + UNSURE + 2)


def test_what_becomes_of_running_servers_is_looked_at_now_and_then() -> None:
    """However long the others take to start; and at once when our clock was set back."""
    glances = settled()
    assert glances.suffice(NOW + LOOK_EVERY - 1)
    assert not glances.suffice(NOW + LOOK_EVERY)
    assert not glances.suffice(NOW - 1)


def test_the_first_that_was_built_is_news_at_once_and_the_next_ones_wait_for_each_other() -> None:
    """So that details are asked for together."""
    glances = settled()
    assert glances.news({"a", "b", "c"}, {"a", "b", "c"}, NOW) == frozenset()
    assert glances.news({"a", "b", "c"}, {"b", "c"}, NOW + 1) == {"a"}
    assert glances.news({"b", "c", "d"}, {"c", "d"}, NOW + 2) == frozenset()
    assert glances.news({"b", "c", "d"}, {"d"}, NOW + 1 + NEWS_WAIT) == {"b", "c"}


def test_the_last_ones_wait_for_nobody() -> None:
    """No more is to come."""
    glances = settled()
    assert glances.news({"a", "b"}, {"b"}, NOW + 1) == {"a"}
    assert glances.news({"b"}, set(), NOW + 1.5) == {"b"}
