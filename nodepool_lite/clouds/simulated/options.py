"""How a simulated cloud behaves: the `options` of a provider."""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, field

from nodepool_lite.config.section import Section
from nodepool_lite.config.values import WrongValuesError, read
from nodepool_lite.model.errors import BadRequestError

Seconds = Annotated[float, Meta(ge=0)]
Rate = Annotated[float, Meta(ge=0, le=1)]


class SimulatedOptions(Section):
    """A provider's `options`: how the simulated cloud behaves. Times are seconds, rates are from 0 to 1."""

    boot_time: Seconds = 0
    """From asking for a server until it is ACTIVE."""
    delete_time: Seconds = 0
    """From asking for a server's end until it is not listed any more."""
    upload_time: Seconds = 0
    """From an upload until the image is ready."""
    max_servers: int | None = None
    max_cores: int | None = None
    max_ram: int | None = None
    """MiB."""
    cores: int = 1
    """What a server takes whose label does not say."""
    ram: int = 1024
    """MiB that a server takes whose label does not say."""
    fail_create: Literal["", "try-again-later", "capacity", "bad-request"] = ""
    """Refuse every server in this way."""
    error_rate: Rate = 0
    """How often a call raises TryAgainLaterError and has no effect."""
    lost_answer_rate: Rate = 0
    """How often a call raises TryAgainLaterError although it had its effect."""
    boot_error_rate: Rate = 0
    """How often a server becomes ERROR in place of ACTIVE."""
    seed: int = 0
    address: str = "192.0.2.1"
    """Address of every server; the default belongs to nobody (RFC 5737)."""
    port: int = 22
    floating_addresses: bool = False
    """Whether a server has no address until it is given one."""
    impossible_labels: Mapping[str, str] = field(default_factory=dict)
    """Labels that cannot be made here, and why."""
    poll_interval: float = 1
    injects_host_key: bool = True
    images: tuple[str, ...] = ()
    """Ids of images that are already there and not ours (cloud-images)."""


def parse_options(options: Mapping[str, object]) -> SimulatedOptions:
    """Return a provider's `options` as typed values; raises BadRequestError naming every wrong one."""
    try:
        return read(SimulatedOptions, options)
    except WrongValuesError as error:
        raise BadRequestError(f"the simulated driver's options are wrong: {error}") from error
