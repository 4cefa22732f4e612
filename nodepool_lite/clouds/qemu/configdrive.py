"""The config drive: metadata and user data in OpenStack's layout, on a small disk labelled `config-2`.

An ext2 file system, because mke2fs can fill one from a directory without root (`-d`) and every Linux guest can read it;
cloud-init takes any file system with that label.
"""

import base64
import json
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from nodepool_lite.clouds.driver import ServerSpec
from nodepool_lite.clouds.qemu import command, programs, setnet
from nodepool_lite.clouds.qemu.records import ServerRecord

LABEL = "config-2"
_SIZE_KIB = 512
_BLOCK = 1024


def metadata(spec: ServerSpec, record: ServerRecord) -> Mapping[str, object]:
    """Return what the guest is told about itself (the `meta_data.json` of OpenStack's metadata service)."""
    return {
        "uuid": command.machine_uuid(record.id),
        "hostname": spec.name,
        "name": spec.name,
        "launch_index": 0,
        "availability_zone": "",
        # Seeds the guest's random numbers before its first keys are made.
        "random_seed": base64.b64encode(secrets.token_bytes(512)).decode(),
        "meta": {
            **spec.meta,
            "nodepool_pool_id": spec.pool_id,
            "nodepool_node_id": spec.node_id,
            "nodepool_attempt": spec.attempt,
            "nodepool_label": spec.label,
            "nodepool_generation": spec.generation,
            **_set(record),
        },
    }


def _set(record: ServerRecord) -> Mapping[str, str]:
    """Return what nodepool-firstboot needs to know of the set's network."""
    address = setnet.address(record)
    if address is None:
        return {}
    return {"nodepool_set_mac": setnet.mac(record), "nodepool_set_address": f"{address}/{setnet.PREFIX}"}


def network_data(record: ServerRecord) -> Mapping[str, object]:
    """Return the interfaces of a server of a set, as cloud-init reads them (OpenStack's `network_data.json`)."""
    address = setnet.address(record)
    macs = {"net": command.mac(record.id), "set": setnet.mac(record)}
    return {
        "links": [{"id": name, "type": "phy", "ethernet_mac_address": mac} for name, mac in macs.items()],
        "networks": [
            {"id": "net", "link": "net", "type": "ipv4_dhcp", "network_id": "net"},
            {
                "id": "set",
                "link": "set",
                "type": "ipv4",
                "network_id": "set",
                "ip_address": address,
                "netmask": "255.255.0.0",
                "routes": [],
            },
        ],
        "services": [],
    }


def write(path: Path, spec: ServerSpec, record: ServerRecord) -> None:
    """Make the config drive at `path`; raises BadRequestError when mke2fs is missing or refuses."""
    tree = path.with_suffix(".d")
    latest = tree / "openstack" / "latest"
    latest.mkdir(parents=True)
    (latest / "meta_data.json").write_text(json.dumps(metadata(spec, record), indent=1), encoding="utf-8")
    if record.set_id:
        (latest / "network_data.json").write_text(json.dumps(network_data(record), indent=1), encoding="utf-8")
    if spec.user_data:
        user_data = latest / "user_data"
        user_data.touch(mode=0o600)
        user_data.write_text(spec.user_data, encoding="utf-8")
    size = _SIZE_KIB + 2 * len(spec.user_data.encode()) // _BLOCK
    path.touch(mode=0o600)
    programs.run(
        programs.MKE2FS,
        [
            *("-q", "-F", "-t", "ext2", "-b", str(_BLOCK), "-m", "0", "-N", "32", "-L", LABEL),
            *("-E", "root_owner=0:0", "-d", str(tree), str(path), f"{size}k"),
        ],
    )
    shutil.rmtree(tree)
