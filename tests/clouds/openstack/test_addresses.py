"""By which address a server is reached."""

from typing import Any

import pytest

from nodepool_lite.clouds.openstack.addresses import Address, Choice, Rules, choose, parse

INSIDE = Address("10.0.0.5", 4, "fixed", "private")
OUTSIDE = Address("203.0.113.9", 4, "fixed", "outside")
PUBLIC = Address("8.8.8.8", 4, "fixed", "private")
FLOATING = Address("198.51.100.7", 4, "floating", "private")
IPV6 = Address("2606:4700::1", 6, "fixed", "private")
LOCAL6 = Address("fd00::1", 6, "fixed", "private")
SOURCES = {"private": "ext-1"}


@pytest.mark.parametrize(
    ("addresses", "rules", "public", "private"),
    [
        pytest.param([INSIDE], {}, "10.0.0.5", "10.0.0.5", id="the fixed one when there is no other"),
        pytest.param([INSIDE, FLOATING], {}, "198.51.100.7", "10.0.0.5", id="a floating IP"),
        pytest.param(
            [INSIDE, OUTSIDE], {"reachable": {"outside"}}, "203.0.113.9", "10.0.0.5", id="a reachable network"
        ),
        pytest.param(
            [INSIDE, OUTSIDE], {"reachable": {"outside"}, "sources": SOURCES}, "203.0.113.9", "10.0.0.5", id="2"
        ),
        pytest.param([PUBLIC], {"sources": SOURCES}, "8.8.8.8", "8.8.8.8", id="a public fixed one"),
        pytest.param([INSIDE, IPV6], {}, "2606:4700::1", "10.0.0.5", id="global IPv6 before private IPv4"),
        pytest.param([INSIDE, IPV6], {"ipv6": False}, "10.0.0.5", "10.0.0.5", id="no IPv6 where it cannot be used"),
        pytest.param([INSIDE, FLOATING, IPV6], {"prefer_ipv6": True}, "2606:4700::1", "10.0.0.5", id="IPv6 preferred"),
        pytest.param([INSIDE, FLOATING, IPV6], {}, "198.51.100.7", "10.0.0.5", id="IPv6 not preferred"),
        pytest.param([INSIDE, LOCAL6], {"prefer_ipv6": True}, "10.0.0.5", "10.0.0.5", id="a local IPv6 is not global"),
        pytest.param([LOCAL6], {}, "fd00::1", "fd00::1", id="nothing but a local IPv6"),
        pytest.param(
            [IPV6, INSIDE], {"reachable": {"private"}}, "10.0.0.5", "10.0.0.5", id="IPv4 first, if both are reachable"
        ),
        pytest.param([], {}, None, None, id="none yet"),
    ],
)
def test_the_best_address_is_chosen(
    addresses: list[Address], rules: dict[str, Any], public: str | None, private: str | None
) -> None:
    """In the order of what surely can be reached."""
    rules = {**rules, "reachable": frozenset(rules.get("reachable", ()))}
    assert choose(addresses, Rules(**rules)) == Choice(public, private)


def test_a_floating_ip_is_needed_where_one_can_be_had() -> None:
    """Until it is there, there is no address to try."""
    assert choose([INSIDE], Rules(sources=SOURCES)) == Choice(None, "10.0.0.5", INSIDE)


def test_a_floating_ip_that_the_list_does_not_show_yet_is_used() -> None:
    """Nova learns of it later than we do."""
    assert choose([INSIDE], Rules(sources=SOURCES), "198.51.100.7") == Choice("198.51.100.7", "10.0.0.5")


def test_a_preferred_ipv6_address_needs_no_floating_ip() -> None:
    """Floating IPs are scarce."""
    assert choose([INSIDE, IPV6], Rules(sources=SOURCES, prefer_ipv6=True)).needs is None


def test_addresses_are_read_as_nova_lists_them() -> None:
    """With their kind, if it is told; link-local ones lead nowhere."""
    listed = {
        "private": [
            {"addr": "10.0.0.5", "version": 4, "OS-EXT-IPS:type": "fixed"},
            {"addr": "198.51.100.7", "version": 4, "OS-EXT-IPS:type": "floating"},
            {"addr": "fe80::1", "version": 6},
        ]
    }
    assert parse(listed) == (INSIDE, FLOATING)
