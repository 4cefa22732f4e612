"""Keys of the current Nodepool dialect that are accepted and not acted on: each is named in a notice."""

from collections.abc import Mapping

from nodepool_lite.config.settings import (
    CloudImage,
    Config,
    Diskimage,
    PoolLabel,
    Provider,
    ProviderImage,
    ProviderPool,
    Section,
)

_PLAIN_ZOOKEEPER = "connections to ZooKeeper are not encrypted"
_SSH_ONLY = "nodes are reached by SSH with a POSIX shell"
_NO_VOLUME_QUOTA = "volumes are not counted"

IGNORED: Mapping[type[Section], Mapping[str, str]] = {
    Config: {
        "zookeeper-tls": _PLAIN_ZOOKEEPER,
        "webapp": "there is no web server yet",
        "tenant-resource-limits": "there are no tenants yet",
    },
    Diskimage: {
        "python-path": _SSH_ONLY,
        "shell-type": _SSH_ONLY,
        "delete-after-upload": "the newest two builds of each diskimage are kept",
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
    ProviderPool: {
        "max-volumes": _NO_VOLUME_QUOTA,
        "max-volume-gb": _NO_VOLUME_QUOTA,
    },
    PoolLabel: {
        "host-key-checking": "host keys are always pinned",
    },
}
