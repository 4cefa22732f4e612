"""What a new cloud offers: zones, flavors, networks, a router, open ports for SSH, and an image of nothing."""

from typing import Any

from . import fake_hypervisor, qemu_hypervisor
from .admin import Admin
from .place import BLOCK, PROVIDER_WIRE, PUBLIC_WIRE, Mode

FLAVORS = {"tiny": (1, 512, 2), "small": (1, 1024, 4), "large": (2, 4096, 10)}
"""Processors, MiB of memory, GiB of disk."""

IMAGE = "empty"
IMAGE_BYTES = 1 << 16


def create(admin: Admin, mode: Mode) -> None:
    """Make everything that is not there yet."""
    _zone(admin, fake_hypervisor.ZONE, fake_hypervisor.HOST)
    if mode is Mode.FULL:
        _zone(admin, qemu_hypervisor.ZONE, qemu_hypervisor.HOST)
    for name, (vcpus, ram, disk) in FLAVORS.items():
        admin.compute.ensure("/flavors", "flavor", name, vcpus=vcpus, ram=ram, disk=disk)
    _networks(admin)
    _image(admin)


def _zone(admin: Admin, zone: str, host: str) -> None:
    aggregate = admin.compute.ensure("/os-aggregates", "aggregate", zone, availability_zone=zone)
    if host not in aggregate.get("hosts", []):
        admin.compute.post(f"/os-aggregates/{aggregate['id']}/action", {"add_host": {"host": host}})


def _networks(admin: Admin) -> None:
    one = next(project["id"] for project in admin.identity.list("/projects") if project["name"] == "one")
    _flat(admin, PROVIDER_WIRE.inside, f"{BLOCK}.1", {"shared": True}, dhcp=True)
    public = _flat(admin, PUBLIC_WIRE.inside, f"{BLOCK}.2", {"router:external": True}, dhcp=False)
    bulk = admin.network.ensure("/networks", "network", "bulk", shared=True, **{"provider:network_type": "local"})
    _subnet(admin, bulk, "10.79.0.0/20", enable_dhcp=False, gateway_ip=None)
    private = admin.network.ensure("/networks", "network", "private", project_id=one)
    subnet = _subnet(admin, private, "10.78.0.0/20", project_id=one)
    router = admin.network.ensure(
        "/routers", "router", "router", project_id=one, external_gateway_info={"network_id": public["id"]}
    )
    if not admin.network.list("/ports", device_id=router["id"], network_id=private["id"]):
        admin.network.put(f"/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
    _open(admin, one)


def _flat(admin: Admin, name: str, block: str, options: dict[str, object], *, dhcp: bool) -> dict[str, Any]:
    """Return a network that is one of the wires to the host; the host has its first address."""
    physical = {"provider:network_type": "flat", "provider:physical_network": name}
    network = admin.network.ensure("/networks", "network", name, **options, **physical)
    pools = [{"start": f"{block}.10", "end": f"{block}.250"}]
    _subnet(admin, network, f"{block}.0/24", enable_dhcp=dhcp, gateway_ip=f"{block}.1", allocation_pools=pools)
    return network


def _subnet(admin: Admin, network: dict[str, Any], cidr: str, **options: object) -> dict[str, Any]:
    return admin.network.ensure(
        "/subnets", "subnet", network["name"], network_id=network["id"], ip_version=4, cidr=cidr, **options
    )


def _open(admin: Admin, project: str) -> None:
    """Let SSH and ping in by the project's default security group."""
    group = admin.network.list("/security-groups", project_id=project, name="default")[0]
    if any(rule["protocol"] == "icmp" for rule in group["security_group_rules"]):
        return
    for rule in ({"protocol": "tcp", "port_range_min": 22, "port_range_max": 22}, {"protocol": "icmp"}):
        admin.network.create(
            "/security-group-rules", "security_group_rule", security_group_id=group["id"], direction="ingress",
            ethertype="IPv4", project_id=project, **rule,
        )  # fmt: skip


def _image(admin: Admin) -> None:
    if any(image["name"] == IMAGE for image in admin.image.list("/images")):
        return
    image = admin.image.register(name=IMAGE, disk_format="raw", container_format="bare", visibility="public")
    admin.image.put(f"/images/{image['id']}/file", data=bytes(IMAGE_BYTES))
