"""By which address a server is reached, and whether it needs a floating IP for that. Pure."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

IPV4, IPV6 = 4, 6


@dataclass(frozen=True)
class Address:
    """One address of a server, as Nova lists it."""

    text: str
    version: int
    kind: Literal["fixed", "floating"]
    network: str
    """The name of the network that it is on, or that it leads to."""


@dataclass(frozen=True)
class Rules:
    """How the servers of one pool are reached."""

    reachable: frozenset[str] = frozenset()
    """Names of networks whose fixed addresses can be reached from here."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Network name -> id of the external network from which a server on it can get a floating IP."""
    prefer_ipv6: bool = False
    ipv6: bool = True
    """Whether IPv6 addresses may be used at all."""


@dataclass(frozen=True)
class Choice:
    """What is known of the ways to a server."""

    public: str | None
    """The address to use; None while there is none, or while a floating IP is still to come."""
    private: str | None
    needs: Address | None = None
    """The fixed address that wants a floating IP."""


def parse(addresses: Mapping[str, Sequence[Mapping[str, Any]]]) -> tuple[Address, ...]:
    """Return the addresses of a server from `addresses` of Nova's API, link-local ones left out."""
    return tuple(
        Address(each["addr"], int(each["version"]), each.get("OS-EXT-IPS:type") or "fixed", network)
        for network, entries in addresses.items()
        for each in entries
        if not ipaddress.ip_address(each["addr"]).is_link_local
    )


def choose(addresses: Sequence[Address], rules: Rules, floating: str | None = None) -> Choice:
    """Return how a server is reached.

    In this order: a global IPv6 address, if those are preferred; a floating IP (`floating` is one that we know of and
    the list may not show yet); a fixed address that is public or on a network that is reachable, IPv4 first; a floating
    IP still to come, where one can be had; a global IPv6 address; the fixed address: the pool may be inside of that
    network.
    """
    fixed = [each for each in addresses if each.kind == "fixed" and (rules.ipv6 or each.version == IPV4)]
    old, new = (_texts(each for each in fixed if each.version == version) for version in (IPV4, IPV6))
    public_ipv6 = [text for text in new if ipaddress.ip_address(text).is_global]
    given = [floating] if floating else _texts(each for each in addresses if each.kind == "floating")
    reachable = (each for each in fixed if each.network in rules.reachable or _is_public_ipv4(each))
    direct = _texts(sorted(reachable, key=lambda each: each.version))  # Nova's order says nothing
    private = next(iter([*old, *new]), None)
    sure = [*(public_ipv6 if rules.prefer_ipv6 else ()), *given, *direct]
    if sure:
        return Choice(sure[0], private)
    needs = next((each for each in fixed if each.version == IPV4 and each.network in rules.sources), None)
    if needs is not None:
        return Choice(None, private, needs)
    return Choice(next(iter([*public_ipv6, *old, *new]), None), private)


def _is_public_ipv4(address: Address) -> bool:
    return address.version == IPV4 and ipaddress.ip_address(address.text).is_global


def _texts(addresses: Iterable[Address]) -> list[str]:
    return [each.text for each in addresses]
