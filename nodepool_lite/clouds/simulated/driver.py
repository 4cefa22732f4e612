"""The driver of the simulated cloud: the contract's calls, answered from memory."""

from collections.abc import Callable, Sequence

from nodepool_lite.clouds.driver import Image, ImageSpec, Need, Quota, Server, ServerSpec, ServerState
from nodepool_lite.clouds.simulated.cloud import SimulatedCloud, SimulatedServer
from nodepool_lite.config.settings import PoolLabel, ProviderPool
from nodepool_lite.model.errors import BadRequestError, GoneError, TryAgainLaterError


class SimulatedDriver:
    """One launcher's door to a simulated cloud. Thread-safe; any thread may call anything."""

    image_formats: Sequence[str] = ("qcow2", "raw")

    def __init__(self, cloud: SimulatedCloud, pool_id: str) -> None:
        self.cloud = cloud
        self.pool_id = pool_id
        self.poll_interval = cloud.options.poll_interval
        self.injects_host_key = cloud.options.injects_host_key

    def create_server(self, spec: ServerSpec) -> str:
        """Ask for a server and return its id at once."""
        with self.cloud.call("create_server"):
            return self.cloud.add_server(spec, *self._size(spec.cores, spec.ram))

    def list_servers(self) -> Sequence[Server]:
        """Return all servers that carry our pool's id."""
        with self.cloud.call("list_servers"):
            return [self._seen(each) for each in self.cloud.servers().values() if each.spec.pool_id == self.pool_id]

    def delete_server(self, server_id: str) -> None:
        """Ask for the server's end; one that is gone is no error."""
        with self.cloud.call("delete_server"):
            server = self.cloud.server(server_id)
            if server is not None:
                _must_be_ours(server.spec.pool_id, self.pool_id, f"server {server_id}")
                self.cloud.ask_deletion(server_id)

    def console_log(self, server_id: str) -> str:
        """Return the last 64 KiB that tests wrote to the server's console."""
        with self.cloud.call("console_log"):
            if self.cloud.server(server_id) is None:
                raise GoneError(f"simulated cloud: there is no server {server_id}")
            return self.cloud.console(server_id)[-65536:]

    def upload_image(self, spec: ImageSpec, progress: Callable[[int], None]) -> str:
        """Make the image known and return its id; the file is not read. Idempotent by upload.

        Like a real cloud's, it is registered first and has its content later: one that was not is found, and removed.
        """
        with self.cloud.call("upload_image"):
            image_id = self._registered(spec)
        progress(100)
        if image_id not in self.cloud.images():
            raise TryAgainLaterError(f"simulated cloud: image {image_id} was removed while it was uploaded")
        self.cloud.complete_image(image_id)
        return image_id

    def list_images(self) -> Sequence[Image]:
        """Return all images that carry our pool's id."""
        with self.cloud.call("list_images"):
            now = self.cloud.clock.now()
            return [
                Image(
                    id=each.id,
                    upload_id=each.spec.upload_id,
                    name=each.spec.name,
                    ready=each.complete and now >= each.ready_at,
                    created=each.created,
                )
                for each in self.cloud.images().values()
                if each.spec.pool_id == self.pool_id
            ]

    def delete_image(self, image_id: str) -> None:
        """Delete the image; raises TryAgainLaterError while a server was made from it and is still there."""
        with self.cloud.call("delete_image"):
            image = self.cloud.images().get(image_id)
            if image is None:
                return
            _must_be_ours(image.spec.pool_id, self.pool_id, f"image {image_id}")
            users = [each.id for each in self.cloud.servers().values() if each.spec.image_id == image_id]
            if users:
                raise TryAgainLaterError(f"simulated cloud: image {image_id} is in use by {', '.join(users)}")
            self.cloud.remove_image(image_id)

    def quota(self) -> Quota:
        """Return the limits from the options and what all servers use."""
        with self.cloud.call("quota"):
            options, servers = self.cloud.options, self.cloud.servers().values()
            return Quota(
                servers=options.max_servers,
                servers_used=len(servers),
                cores=options.max_cores,
                cores_used=sum(each.cores for each in servers),
                ram=options.max_ram,
                ram_used=sum(each.ram for each in servers),
            )

    def need(self, pool: ProviderPool, label: PoolLabel) -> Need:  # noqa: ARG002 - of the protocol
        """Return what the label asks for, or the options' defaults; raises what the options say of the label."""
        problem = self.cloud.options.impossible_labels.get(label.name)
        if problem is not None:
            raise BadRequestError(problem)
        cores, ram = self._size(label.cores, label.min_ram)
        return Need(cores=cores, ram=ram, addresses=int(self.cloud.options.floating_addresses))

    def give_address(self, server_id: str) -> None:
        """Give the server its address, if the options want that to be done."""
        with self.cloud.call("give_address"):
            if self.cloud.server(server_id) is None:
                raise GoneError(f"simulated cloud: there is no server {server_id}")
            self.cloud.give_address(server_id)

    def note_gone(self, server_id: str) -> None:
        """Do nothing: a simulated server leaves nothing behind."""

    def sweep_leftovers(self) -> Sequence[str]:
        """Return nothing: a simulated server leaves nothing behind."""
        with self.cloud.call("sweep_leftovers"):
            return ()

    def problems(self) -> Sequence[str]:
        """Return which labels cannot be made, if the options say so."""
        return [f"label {name}: {why}" for name, why in self.cloud.options.impossible_labels.items()]

    def close(self) -> None:
        """Do nothing: the cloud goes on."""

    def _registered(self, spec: ImageSpec) -> str:
        for each in self.cloud.images().values():
            if (each.spec.upload_id, each.spec.pool_id) == (spec.upload_id, self.pool_id):
                if each.complete:
                    return each.id
                self.cloud.remove_image(each.id)
        return self.cloud.add_image(spec)

    def _size(self, cores: int | None, ram: int | None) -> tuple[int, int]:
        return cores or self.cloud.options.cores, ram or self.cloud.options.ram

    def _seen(self, server: SimulatedServer) -> Server:
        now, options = self.cloud.clock.now(), self.cloud.options
        state = server.state(now)
        lacks = options.floating_addresses and not server.addressed and state is ServerState.ACTIVE
        return Server(
            id=server.id,
            node_id=server.spec.node_id,
            attempt=server.spec.attempt,
            name=server.spec.name,
            state=state,
            address=None if lacks or state in {ServerState.STARTING, ServerState.ERROR} else options.address,
            lacks_address=lacks,
            port=options.port,
            fault=server.broken or server.stopped or ("simulated boot failure" if state is ServerState.ERROR else ""),
            no_room=server.no_room,
            created=server.asked,
        )


def _must_be_ours(theirs: str, ours: str, what: str) -> None:
    if theirs != ours:
        raise BadRequestError(f"simulated cloud: {what} belongs to pool {theirs}, not to ours ({ours}); leave it alone")
