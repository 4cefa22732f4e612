"""How a simulated cloud behaves: the `options` of a provider."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, ValidationError

from nodepool_lite.config.settings import Section
from nodepool_lite.model.errors import BadRequestError


class SimulatedOptions(Section):
    """A provider's `options`: how the simulated cloud behaves. Times are seconds, rates are from 0 to 1."""

    boot_time: float = Field(default=0, ge=0)
    """From asking for a server until it is ACTIVE."""
    delete_time: float = Field(default=0, ge=0)
    """From asking for a server's end until it is not listed any more."""
    upload_time: float = Field(default=0, ge=0)
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
    error_rate: float = Field(default=0, ge=0, le=1)
    """How often a call raises TryAgainLaterError and has no effect."""
    lost_answer_rate: float = Field(default=0, ge=0, le=1)
    """How often a call raises TryAgainLaterError although it had its effect."""
    boot_error_rate: float = Field(default=0, ge=0, le=1)
    """How often a server becomes ERROR in place of ACTIVE."""
    seed: int = 0
    address: str = "192.0.2.1"
    """Address of every server; the default belongs to nobody (RFC 5737)."""
    port: int = 22
    floating_addresses: bool = False
    """Whether a server has no address until it is given one."""
    impossible_labels: Mapping[str, str] = Field(default_factory=dict)
    """Labels that cannot be made here, and why."""
    poll_interval: float = 1
    injects_host_key: bool = True
    images: tuple[str, ...] = ()
    """Ids of images that are already there and not ours (cloud-images)."""


def parse_options(options: Mapping[str, object]) -> SimulatedOptions:
    """Return a provider's `options` as typed values; raises BadRequestError naming every wrong one."""
    try:
        return SimulatedOptions.model_validate(options)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise BadRequestError(f"the simulated driver's options are wrong: {wrong}") from error
