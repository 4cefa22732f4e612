"""Keys that are accepted and not acted on, by anything or by one driver: each is named in a notice."""

from collections.abc import Collection, Mapping

from nodepool_lite.config.problem import Report
from nodepool_lite.config.section import Section
from nodepool_lite.config.settings import (
    CloudImage,
    Config,
    Diskimage,
    PoolLabel,
    Provider,
    ProviderImage,
    ProviderPool,
)
from nodepool_lite.config.tree import Item

_SSH_ONLY = "nodes are reached by SSH with a POSIX shell"

IGNORED: Mapping[type[Section], Mapping[str, str]] = {
    Config: {
        "webapp": "there is no web server yet",
        "tenant-resource-limits": "there are no tenants yet",
    },
    Diskimage: {
        "python-path": _SSH_ONLY,
        "shell-type": _SSH_ONLY,
        "delete-after-upload": "the newest two builds of each diskimage are kept",
        "keep-formats": "files in every format are kept as long as their build",
    },
    Provider: {
        "post-upload-hook": "nothing is run after an upload",
    },
    ProviderImage: {
        "connection-type": _SSH_ONLY,
        "connection-port": "the port comes from the driver",
    },
    CloudImage: {
        "connection-type": _SSH_ONLY,
        "python-path": _SSH_ONLY,
        "shell-type": _SSH_ONLY,
    },
    PoolLabel: {
        "host-key-checking": "host keys are always pinned",
    },
}

_CLOUDS_OWN: Mapping[type[Section], Collection[str]] = {
    Provider: ("cloud", "region-name", "rate", "clean-floating-ips", "port-cleanup-interval", "image-upload-timeout"),
    ProviderImage: ("config-drive", "meta"),
    CloudImage: ("config-drive", "connection-port"),
    ProviderPool: (
        "max-volumes",
        "max-volume-gb",
        "availability-zones",
        "networks",
        "security-groups",
        "auto-floating-ip",
        "floating-network",
        "public-networks",
        "prefer-ipv6",
    ),
    PoolLabel: (
        "flavor-name",
        "key-name",
        "boot-from-volume",
        "volume-size",
        "instance-properties",
        "networks",
    ),
}
UNUSED: Mapping[str, Mapping[type[Section], Collection[str]]] = {
    "qemu": {**_CLOUDS_OWN, Provider: (*_CLOUDS_OWN[Provider], "options")},
    "simulated": {**_CLOUDS_OWN, Provider: (*_CLOUDS_OWN[Provider], "accel")},
    "openstack": {Provider: ("accel", "options"), PoolLabel: ("cores", "disk")},
}
"""By driver: the keys of a provider that it has no use for."""


def notice_unused(root: Item, report: Report) -> None:
    """Name each key of each provider in a native tree that means nothing to the provider's driver."""
    for provider in root.each("providers"):
        driver = provider.word("driver") or "openstack"
        unused = UNUSED.get(driver, {})
        pools = provider.each("pools")
        parts: dict[type[Section], tuple[Item, ...]] = {
            Provider: (provider,),
            ProviderImage: provider.each("diskimages"),
            CloudImage: provider.each("cloud-images"),
            ProviderPool: pools,
            PoolLabel: tuple(label for pool in pools for label in pool.each("labels")),
        }
        for section, keys in unused.items():
            for item in parts[section]:
                for key in keys:
                    if (value := item.get(key)) is not None:
                        at = value.key_at or value.at
                        report.notice(at, f"ignored: `{key}`", f"the {driver} driver has no use for it")
