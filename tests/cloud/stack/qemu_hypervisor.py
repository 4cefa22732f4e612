"""A hypervisor that boots true machines: libvirt with plain QEMU, no KVM needed."""

import subprocess
from pathlib import Path

from . import fake_hypervisor, ini
from .place import Place
from .process import Service
from .surroundings import mount

HOST = "qemu-1"
ZONE = "qemu"

BOUND = {"/etc/libvirt": "etc", "/var/lib/libvirt": "data", "/var/cache/libvirt": "cache", "/var/log/libvirt": "log"}
"""libvirt's fixed paths, and the directory of ours that lies over each one inside of the cloud."""

QEMU = """\
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
seccomp_sandbox = 0
"""


def configure(place: Place) -> None:
    """Write libvirt's configuration and what this compute has beside Nova's shared configuration."""
    for where in BOUND.values():
        (place.home / where / "libvirt").mkdir(parents=True, exist_ok=True)
    (place.etc / "libvirt" / "qemu.conf").write_text(QEMU)
    (place.etc / "libvirt" / "libvirtd.conf").write_text('auth_unix_ro = "none"\nauth_unix_rw = "none"\n')
    _bind_paths(place)
    nova = place.etc / "nova" / "nova.conf"
    own = place.etc / "nova-compute-qemu.conf"
    helper = {"helper_command": f"privsep-helper --config-file {nova} --config-file {own}"}
    ini.write(
        own,
        {
            "DEFAULT": {
                "host": HOST,
                "compute_driver": "libvirt.LibvirtDriver",
                "force_config_drive": True,
                "vif_plugging_timeout": 60,
                "flat_injected": False,
            },
            "libvirt": _machines(place),
            "vif_plug_linux_bridge_privileged": helper,
            "vif_plug_ovs_privileged": helper,
            "nova_sys_admin": helper,
        },
    )


def _machines(place: Place) -> dict[str, object]:
    return {
        "virt_type": "qemu",
        "cpu_mode": "custom",
        "cpu_models": "Nehalem",
        "connection_uri": "qemu:///system",
        "inject_partition": -2,
        "images_type": "qcow2",
        "snapshots_directory": place.data / "nova" / "snapshots",
        "disk_cachemodes": "file=unsafe",
        "hw_machine_type": "x86_64=q35",
        "num_pcie_ports": 8,
        "rng_dev_path": "/dev/urandom",
    }


def _bind_paths(place: Place) -> None:
    """Lay our directories over libvirt's, inside of the cloud's mounts only."""
    for path, where in BOUND.items():
        mount(place, Path(path), "--bind", str(place.home / where / "libvirt"))


def libvirt(place: Place) -> Service:
    """Return libvirt's daemon."""
    return Service("libvirtd", ("libvirtd", "--pid-file", str(place.run / "libvirtd.pid")), _libvirt_answers)


def _libvirt_answers() -> bool:
    command = ["virsh", "--connect", "qemu:///system", "version"]
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return done.returncode == 0


def service(place: Place) -> Service:
    """Return the compute service with Nova's libvirt driver."""
    return fake_hypervisor.compute(place, "nova-compute-qemu", HOST, ("nova-conductor", "libvirtd"))
