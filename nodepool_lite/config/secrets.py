"""Which values of a configuration and an environment are secret, and text without them."""

import re
from collections.abc import Iterable, Mapping, Sequence

from nodepool_lite.config.settings import Config

MASK = "********"
SHORTEST = 4
"""Characters below which a value is no secret worth its name, and hiding it would garble every other text."""
_VARIABLES, _ACCESS = "env-vars", "zookeeper-auth"
_SECRET = re.compile(r"PASS(WORD|WD|PHRASE)?|SECRET|TOKEN|CREDENTIAL|(API|PRIVATE|ACCESS)[_-]?KEY", re.IGNORECASE)
_NAME = re.compile(r"[\w.-]*")


def is_secret(name: str) -> bool:
    """Return whether a variable's name says that its value is secret."""
    return _SECRET.search(name) is not None


def may_be_secret(way: Sequence[object]) -> bool:
    """Return whether nobody may be told what stands at this path of keys and indexes in a configuration file."""
    keys = [str(step).replace("_", "-") for step in way]
    return _VARIABLES in keys or _ACCESS in keys or (bool(keys) and is_secret(keys[-1]))


def without_value(key: str) -> str:
    """Return a key without a value that somebody wrote into it, as in `{PASSWORD=...}` or `{password ...}`."""
    name = _NAME.match(key)[0]  # type: ignore[index]  # it matches any text
    rest = key.removeprefix(name)
    inside = rest.startswith("=") or may_be_secret([name])
    return f"{name}{rest[0]}..." if rest and inside else key


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
