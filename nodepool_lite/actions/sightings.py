"""What the clouds said last and which logins succeeded: this process's memory, never recorded."""

import math
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from nodepool_lite.clouds.driver import Image, Need, Quota, Server
from nodepool_lite.plan.view import CloudView


class Sightings:
    """Written by the workers, read by the loop; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clouds: dict[str, CloudView] = {}
        self._checked: dict[str, float] = {}
        self._answered: dict[str, float] = {}
        self._gone: set[str] = set()
        """Servers and images that are known to be gone, and perhaps still in `_clouds`."""
        self._ending: dict[tuple[str, str], float] = {}
        """(provider, server) whose end was asked for, and when, if `_clouds` does not say so yet."""

    def clouds(self) -> Mapping[str, CloudView]:
        """Return what each provider said last."""
        with self._lock:
            self._catch_up()
            return dict(self._clouds)

    def checked(self) -> Mapping[str, float]:
        """Return when each node last let us in, in epoch seconds."""
        with self._lock:
            return dict(self._checked)

    def saw_servers(
        self,
        provider: str,
        servers: Sequence[Server],
        quota: Quota,
        asked: float,
        *,
        poll: float,
        needs: Mapping[tuple[str, str], Need] | None = None,
    ) -> None:
        """Remember a server list that was asked for at `asked`; `poll` is the driver's interval in seconds."""
        with self._lock:
            self._catch_up()
            before = self._clouds.get(provider, CloudView())
            stale = before.stale if before.stale is not None and before.stale > asked else None
            since = {server.id: before.since.get(server.id, asked) for server in servers}
            ending = {key: moment for key, moment in before.ending.items() if key in since}
            self._clouds[provider] = replace(
                before,
                servers={server.id: server for server in servers},
                since=since,
                ending=ending,
                listed_at=asked,
                poll_interval=poll,
                quota=quota,
                needs=needs or {},
                stale=stale,
            )

    def saw_images(self, provider: str, images: Sequence[Image], asked: float) -> None:
        """Remember an image list that was asked for at `asked`."""
        with self._lock:
            self._catch_up()
            before = self._clouds.get(provider, CloudView())
            found = {image.id: image for image in images}
            since = {image_id: before.images_since.get(image_id, asked) for image_id in found}
            self._clouds[provider] = replace(before, images=found, images_since=since, images_listed_at=asked)

    def gone(self, *things: str) -> None:
        """Forget servers and images that are known to be gone, wherever they were seen.

        What the pool ended itself is no alien, neither here nor at another provider that is a door to the same cloud.
        """
        with self._lock:
            self._gone.update(things)

    def swept(self, provider: str, began: float) -> None:
        """Remember when left-overs were last looked for."""
        with self._lock:
            self._clouds[provider] = replace(self._clouds.get(provider, CloudView()), swept_at=began)

    def look_again(self, provider: str, now: float) -> None:
        """Say that something was asked of the provider, so that lists asked for before `now` are out of date."""
        with self._lock:
            self._clouds[provider] = replace(self._clouds.get(provider, CloudView()), stale=now)

    def asked_end(self, provider: str, server: str, now: float) -> None:
        """Remember that the provider took the request to delete a server."""
        with self._lock:
            self._ending[provider, server] = now

    def answered(self) -> Mapping[str, float]:
        """Return when the cloud last answered a request for each node's server, in epoch seconds."""
        with self._lock:
            return dict(self._answered)

    def answer(self, node_id: str, now: float) -> None:
        """Remember that the request for a node's server was answered, with whatever it was."""
        with self._lock:
            self._answered[node_id] = now

    def login(self, node_id: str, now: float) -> None:
        """Remember a successful login."""
        with self._lock:
            self._checked[node_id] = now

    def forget_from(self, moment: float) -> None:
        """Forget what was seen at `moment` (epoch seconds) or later."""
        with self._lock:
            self._checked = _seen_before(moment, self._checked)
            self._answered = _seen_before(moment, self._answered)
            self._catch_up()
            self._clouds = {key: cloud for key, cloud in self._clouds.items() if _latest(cloud) < moment}

    def keep_clouds(self, providers: Collection[str]) -> None:
        """Forget what all other providers said: it grows old when somebody else asks them."""
        with self._lock:
            self._catch_up()
            if not self._clouds.keys() <= set(providers):
                self._clouds = {key: value for key, value in self._clouds.items() if key in providers}

    def keep(self, nodes: Collection[str]) -> None:
        """Forget all but these nodes."""
        with self._lock:
            self._checked = _only(nodes, self._checked)
            self._answered = _only(nodes, self._answered)

    def _catch_up(self) -> None:
        """Put into the views what was said of single servers and images: once for many, each view is a copy."""
        for provider in dict.fromkeys(provider for provider, _ in self._ending):
            before = self._clouds.get(provider, CloudView())
            fresh = {server: moment for (at, server), moment in self._ending.items() if at == provider}
            self._clouds[provider] = replace(before, ending={**before.ending, **fresh})
        self._ending.clear()
        if self._gone:
            for provider, cloud in self._clouds.items():
                servers = {key: each for key, each in cloud.servers.items() if key not in self._gone}
                images = {key: each for key, each in cloud.images.items() if key not in self._gone}
                self._clouds[provider] = replace(cloud, servers=servers, images=images)
            self._gone.clear()


def _seen_before(moment: float, seen: dict[str, float]) -> dict[str, float]:
    """Return what was seen before that moment; mostly that is all, and nothing is copied."""
    if max(seen.values(), default=-math.inf) < moment:
        return seen
    return {key: value for key, value in seen.items() if value < moment}


def _only(nodes: Collection[str], seen: dict[str, float]) -> dict[str, float]:
    """Return what was seen of these nodes; mostly that is all, and nothing is copied."""
    return seen if all(map(nodes.__contains__, seen)) else {key: value for key, value in seen.items() if key in nodes}


def _latest(cloud: CloudView) -> float:
    """Return the latest moment that a view speaks of."""
    moments = (cloud.listed_at, cloud.images_listed_at, cloud.swept_at, cloud.stale, *cloud.ending.values())
    return max((moment for moment in moments if moment is not None), default=0.0)
