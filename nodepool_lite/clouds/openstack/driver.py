"""The driver for OpenStack clouds: the contract's calls, in terms of Nova's, Neutron's and Glance's APIs."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nodepool_lite.clouds.driver import Image, ImageSpec, Need, Quota, Server, ServerSpec, ServerState
from nodepool_lite.clouds.openstack import errors
from nodepool_lite.clouds.openstack.addresses import Choice, Rules, choose
from nodepool_lite.clouds.openstack.api import Api, Service
from nodepool_lite.clouds.openstack.burst import Burst
from nodepool_lite.clouds.openstack.catalogue import Catalogue
from nodepool_lite.clouds.openstack.floating import FloatingIps
from nodepool_lite.clouds.openstack.images import Images
from nodepool_lite.clouds.openstack.leftovers import Leftovers
from nodepool_lite.clouds.openstack.quotas import Quotas
from nodepool_lite.clouds.openstack.rows import ATTEMPT, LABEL, NODE, PART, Row
from nodepool_lite.clouds.openstack.servers import Recipes
from nodepool_lite.clouds.openstack.turnstile import Turnstile
from nodepool_lite.clouds.openstack.watch import Watch
from nodepool_lite.clouds.openstack.ways import Ways
from nodepool_lite.config.settings import PoolLabel, Provider, ProviderPool
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.errors import BadRequestError, CapacityError, CloudError, GoneError, TryAgainLaterError

SHORTEST_POLL = 1.0
"""Seconds between two server lists, at least."""
SHORTEST_GLANCE = 0.5
"""The same where the ids of those that are being built were enough."""
SHORTEST_BEGIN = 0.2
"""The same while many wait for the first one."""
LONGEST_POLL = 5.0
"""Seconds between two lists that are long because of how long lists take."""
LIST_SHARE = 3.0
"""Lists take at most one part in so many of the time, and of the calls that `rate` allows one in one more."""
NEEDED: Sequence[Service] = ("compute", "network", "image")
CONSOLE_LINES = 2000
CONSOLE_BYTES = 65536


class OpenStackDriver:
    """One provider: one region of one cloud, as the user in clouds.yaml sees it.

    Thread-safe; any thread may call anything. Nothing is asked of the cloud before the first call.
    """

    image_formats: Sequence[str] = ("qcow2", "raw", "vhd", "vhdx", "vdi")
    injects_host_key = True

    def __init__(self, provider: Provider, *, pool_id: str, clock: Clock, directory: Path | None = None) -> None:
        self._provider = provider
        self._pool_id = pool_id
        self._clock = clock
        self._turnstile = Turnstile(provider.rate)
        self._api = Api(provider.cloud, provider.region_name, directory, self._turnstile)
        self._catalogue = Catalogue(self._api, clock)
        self._ways = Ways(self._api, self._catalogue, clock)
        self._recipes = Recipes(provider, self._api, self._catalogue, self._ways)
        self._floating = FloatingIps(self._api, pool_id)
        self._images = Images(self._api, pool_id, clock, provider.image_upload_timeout)
        self._leftovers = Leftovers(self._api)
        """Guards the left-overs."""
        pools = provider.pools
        self._wants_addresses = any(pool.auto_floating_ip for pool in pools)
        volumes = any(label.boot_from_volume for pool in pools for label in pool.labels)
        self._quotas = Quotas(self._api, clock, volumes=volumes)
        self._watch = Watch(self._api, pool_id, clock)
        self._burst = Burst()
        self._listing = threading.Lock()
        """One list at a time."""
        self.poll_interval = max(SHORTEST_POLL, (LIST_SHARE + 1) * provider.rate)

    def create_server(self, spec: ServerSpec) -> str:
        """Ask for a server, in one call, and return its id."""
        body = self._recipes.request(spec)
        try:
            with self._burst.turn():
                reply = self._api.call("create a server", "compute", "POST", "/servers", json=body, makes=True)
        except BadRequestError:
            self._catalogue.forget()
            raise
        except CapacityError:
            self._quotas.doubt()
            raise
        except TryAgainLaterError as error:
            if error.retry_after is None:  # it was not refused: nobody knows
                self._watch.doubt()
            raise
        server_id = str(reply.body["server"]["id"])
        self._watch.created(Row.asked(server_id, spec, self._clock.now()))
        return server_id

    def list_servers(self) -> Sequence[Server]:
        """Return our servers, by the cheapest list that will do."""
        with self._listing:
            began = self._clock.now()
            if not self._watch.complete:
                self._learn_addresses()
            glanced = self._watch.list(began)
            took = self._clock.now() - began
            rows = self._watch.all()
            self._burst.saw(frozenset(row.id for row in rows if row.state is ServerState.STARTING))
            built = SHORTEST_BEGIN if self._burst.begins else SHORTEST_GLANCE
            self._adapt(took, built if glanced else SHORTEST_POLL)
            ways = {part: self._rules(part) for part in {row.marks.get(PART, "") for row in rows}}
            return [self._server(row, ways[row.marks.get(PART, "")]) for row in rows]

    def delete_server(self, server_id: str) -> None:
        """Ask for the server's end, and that of its floating IP; one that is gone is no error."""
        row = self._watch.known(server_id)
        if row is None:
            row = self._watch.found(server_id)
            if row is None:
                return
            if row.pool_id != self._pool_id:
                theirs = f"belongs to pool {row.pool_id}" if row.pool_id else "is no server of any pool"
                raise BadRequestError(f"server {server_id} {theirs}, not to ours ({self._pool_id}); leave it alone")
        self._release(server_id)
        what, path = f"delete server {server_id}", f"/servers/{server_id}"
        reply = self._api.call(what, "compute", "DELETE", path, also=frozenset({404}))
        self._leftovers.remember(row)
        if reply.status == 404:  # noqa: PLR2004 - RFC 9110
            self._watch.gone(server_id)
        else:
            self._watch.ending(server_id)

    def console_log(self, server_id: str) -> str:
        """Return the last 64 KiB of the serial console; empty when this cloud has none."""
        reply = self._api.call(
            "read a console",
            "compute",
            "POST",
            f"/servers/{server_id}/action",
            json={"os-getConsoleOutput": {"length": CONSOLE_LINES}},
            also=frozenset({400, 403, 404, 409, 501}),
        )
        if reply.status == 404 and self._watch.found(server_id) is None:  # noqa: PLR2004 - a console can be missing, too
            raise GoneError(f"there is no server {server_id}")
        text = (reply.body or {}).get("output") or ""
        return str(text)[-CONSOLE_BYTES:]

    def upload_image(self, spec: ImageSpec, progress: Callable[[int], None]) -> str:
        """Upload the file, compare its checksum, and return the image's id."""
        return self._images.add(spec, progress)

    def list_images(self) -> Sequence[Image]:
        """Return our pool's images."""
        return self._images.all()

    def delete_image(self, image_id: str) -> None:
        """Delete the image; raises TryAgainLaterError while it is in use."""
        self._images.delete(image_id)

    def quota(self) -> Quota:
        """Return the project's limits and what is used of them; asked for anew only when it may matter."""
        return self._quotas.get(self._watch.moves)

    def need(self, pool: ProviderPool, label: PoolLabel) -> Need:
        """Return what the label's flavor, its floating IP and its volume take."""
        return self._recipes.need(pool, label)

    def give_address(self, server_id: str) -> None:
        """Give a server its floating IP, if it needs one and has none yet."""
        row = self._watch.known(server_id)
        if row is None:
            raise GoneError(f"there is no server {server_id} of this pool")
        rules = self._rules(row.marks.get(PART, ""))
        needs = choose(row.addresses, rules, self._floating.of(server_id)).needs
        if needs is None:
            return
        try:
            self._floating.give(row, needs, rules.sources[needs.network])
        except CapacityError:
            self._quotas.doubt()
            raise

    def note_gone(self, server_id: str) -> None:
        """Look for ports of a server that is gone: whoever asked for its end may not have lived to do that."""
        self._leftovers.note_gone(server_id)

    def sweep_leftovers(self) -> Sequence[str]:
        """Remove floating IPs, ports and volumes of servers of ours that are gone."""
        if not self._watch.complete:
            return ()
        servers = frozenset(row.id for row in self._watch.all())
        removed: list[str] = []
        if self._wants_addresses and self._provider.clean_floating_ips:
            swept = self._floating.sweep(servers)
            removed += [f"floating IP {each.address} of server {each.server_id}" for each in swept]
        if self._provider.port_cleanup_interval > 0:
            removed += self._leftovers.sweep(servers)
        return removed

    def problems(self) -> Sequence[str]:
        """Return what the settings name and the cloud does not have, or why it cannot be asked."""
        try:
            missing = [f"this cloud has no {each} service" for each in NEEDED if not self._api.has(each)]
            return missing or list(self._wrong())
        except CloudError as error:
            return [str(error)]

    def close(self) -> None:
        """Give back the connections; calls that wait for their turn are sent away."""
        self._api.close()

    def _wrong(self) -> Iterator[str]:
        for pool in self._provider.pools:
            for label in (each for each in pool.labels if not each.is_set):
                where = f"label {label.name} in pool {pool.name}"
                yield from (f"{where}: {sentence}" for sentence in self._recipes.wrong(pool, label))

    def _adapt(self, took: float, shortest: float) -> None:
        """Let lists neither fill the time nor use up the calls that `rate` allows."""
        rate = (LIST_SHARE + 1) * self._turnstile.interval
        self.poll_interval = max(shortest, rate, min(LIST_SHARE * took, LONGEST_POLL))

    def _server(self, row: Row, rules: Rules) -> Server:
        way = choose(row.addresses, rules, self._floating.of(row.id)) if row.addresses else Choice(None, None)
        state = row.state
        if state is ServerState.ERROR and not self._watch.is_explained(row):
            state = ServerState.STARTING
        return Server(
            id=row.id,
            node_id=row.marks.get(NODE, ""),
            attempt=row.marks.get(ATTEMPT, ""),
            name=row.name,
            state=state,
            address=way.public,
            port=self._port(row),
            private_address=way.private,
            az=row.zone,
            fault=row.fault or (f"Nova says {row.status}" if state is ServerState.STOPPED else ""),
            no_room=state is ServerState.ERROR and errors.is_about_room(row.fault),
            lacks_address=way.needs is not None and state is ServerState.ACTIVE,
            created=row.created,
        )

    def _rules(self, part: str) -> Rules:
        """Return how the servers of a pool are reached; what is wrong with its settings is told by `need`."""
        pool = next((each for each in self._provider.pools if each.name == part), None)
        try:
            return Rules() if pool is None else self._ways.rules(pool)
        except BadRequestError:
            return Rules()

    def _port(self, row: Row) -> int:
        part, name = row.marks.get(PART), row.marks.get(LABEL)
        for pool in self._provider.pools:
            for label in pool.labels:
                if (pool.name, label.name) == (part, name):
                    image = self._recipes.cloud_image(label)
                    return 22 if image is None else image.connection_port
        return 22

    def _learn_addresses(self) -> None:
        """Learn which floating IPs our servers have, if that concerns us and this user may see them."""
        if self._wants_addresses:
            try:
                self._floating.learn()
            except BadRequestError:
                return

    def _release(self, server_id: str) -> None:
        """Delete a server's floating IP; one that will not go must not keep the server: the sweep comes back to it."""
        try:
            self._floating.release(server_id)
        except CloudError:
            return
