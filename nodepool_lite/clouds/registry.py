"""Which driver serves a provider; each is imported only when a provider asks for it."""

from pathlib import Path

from nodepool_lite.clouds.driver import Driver
from nodepool_lite.config.settings import Config, Provider
from nodepool_lite.model.clock import Clock


def open_driver(
    provider: Provider, *, config: Config, pool_id: str, clock: Clock, directory: Path | None = None
) -> Driver:
    """Return a driver for `provider` that sees only what carries `pool_id`; raises BadRequestError.

    `directory` is that of the configuration's file: a clouds.yaml may be beside it.
    """
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
            from nodepool_lite.clouds.openstack import OpenStackDriver  # noqa: PLC0415 - openstacksdk is slow to import

            return OpenStackDriver(provider, pool_id=pool_id, clock=clock, directory=directory)
