"""Which values of a configuration and an environment are secret, and text without them."""

import re
from collections.abc import Iterable, Mapping, Sequence

from nodepool_lite.config.settings import Config

MASK = "********"
SHORTEST = 4
"""Characters below which a value is no secret worth its name, and hiding it would garble every other text."""
_VARIABLES, _ACCESS = "env-vars", "zookeeper-auth"
_SECRET = re.compile(r"PASS(WORD|WD|PHRASE)?|SECRET|TOKEN|CREDENTIAL|(API|PRIVATE|ACCESS)_?KEY", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Return whether a variable's name says that its value is secret."""
    return _SECRET.search(name) is not None


def may_be_secret(way: Sequence[object]) -> bool:
    """Return whether nobody may be told what stands at this path of keys and indexes in nodepool.yaml."""
    return _VARIABLES in way or (bool(way) and (way[-1] == _ACCESS or is_secret(str(way[-1]))))


def without_value(key: str) -> str:
    """Return a key without what somebody wrote into it after `=`, as in `{PASSWORD=...}`."""
    name, equals, value = key.partition("=")
    return f"{name}=..." if equals and value else key


def secrets_of(config: Config, environment: Mapping[str, str]) -> frozenset[str]:
    """Return the values that builds and ready-scripts are told and nobody else may see."""
    variables = [environment, *(each.env_vars for each in config.diskimages)]
    found = {value for each in variables for name, value in each.items() if is_secret(name)}
    if config.zookeeper_auth is not None:
        found.add(config.zookeeper_auth.password)
    return frozenset(value for value in found if len(value) >= SHORTEST)


def masked(text: str, secrets: Iterable[str]) -> str:
    """Return the text with every secret in it hidden, the longest first: one may be a part of another."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
