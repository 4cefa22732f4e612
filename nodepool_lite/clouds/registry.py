"""Which driver serves a provider; each is imported only when a provider asks for it."""

from nodepool_lite.clouds.driver import Driver
from nodepool_lite.config.settings import Config, Provider
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.errors import BadRequestError


def open_driver(provider: Provider, *, config: Config, pool_id: str, clock: Clock) -> Driver:
    """Return a driver for `provider` that sees only what carries `pool_id`; raises BadRequestError."""
    match provider.driver:
        case "simulated":
            from nodepool_lite.clouds.simulated import SimulatedDriver, parse_options, shared_cloud  # noqa: PLC0415

            cloud = shared_cloud(f"{config.state_dir}:{provider.name}", clock, parse_options(provider.options))
            return SimulatedDriver(cloud, pool_id)
        case "qemu":
            from nodepool_lite.clouds.qemu import QemuDriver  # noqa: PLC0415

            root = config.state_dir / "qemu"
            return QemuDriver(root, provider.name, pool_id=pool_id, clock=clock, acceleration=provider.accel)
        case "openstack":
            raise BadRequestError(
                f"provider {provider.name}: the openstack driver is not part of this release yet; "
                "use `driver: qemu` for servers on this host"
            )
