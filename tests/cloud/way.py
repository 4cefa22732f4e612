"""The way to the cloud through a proxy: entries of clouds.yaml that lead to it, and what the calls there were for."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.cloud.proxy import Call, FaultProxy
from tests.cloud.stack.place import GLANCE, KEYSTONE, NEUTRON, NOVA, url

UPSTREAMS = {"identity": url(KEYSTONE), "compute": url(NOVA), "network": url(NEUTRON), "image": url(GLANCE)}
_VERSIONS = {"identity": "v3", "compute": "v2.1", "network": "v2.0", "image": ""}
"""Of the URLs in clouds.yaml; openstacksdk finds Glance only when it may look for the version itself."""
_ID = re.compile(r"(?<=/)[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}")
_LISTS = {"GET compute/v2.1/servers", "GET compute/v2.1/servers/detail"}


@dataclass(frozen=True)
class Tally:
    """Calls by what they were for, without log-ins."""

    kinds: Counter[str] = field(default_factory=Counter)
    """All that are not lists of servers, as `DELETE compute/v2.1/servers/ID`."""
    polls: int = 0
    """Lists of servers."""

    @classmethod
    def of(cls, calls: Iterable[Call]) -> "Tally":
        """Count calls."""
        kinds = Counter(_kind(each) for each in calls if each.service in UPSTREAMS and each.service != "identity")
        polls = sum(kinds.pop(each, 0) for each in _LISTS)
        return cls(kinds, polls)

    @property
    def calls(self) -> int:
        """How many there were that are not lists of servers."""
        return self.kinds.total()


def is_list(call: Call) -> bool:
    """Tell whether a call lists servers."""
    return _kind(call) in _LISTS


def _kind(call: Call) -> str:
    return f"{call.method} {_ID.sub('ID', call.path.partition('?')[0])}"


def entry_through(proxy: FaultProxy, entry: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return an entry of clouds.yaml whose every call goes through the proxy; `more` is added, None takes away."""
    auth = {**entry["auth"], "auth_url": proxy.url("identity", _VERSIONS["identity"])}
    services = {name: version for name, version in _VERSIONS.items() if name != "identity"}
    overrides = {f"{name}_endpoint_override": proxy.url(name, version) for name, version in services.items()}
    values = {**entry, "auth_type": "v3password", "auth": auth, **overrides, **more}
    return {key: value for key, value in values.items() if value is not None}
