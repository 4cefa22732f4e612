"""Fills the cloud of run_openstack_debian.sh by plain requests: the client's libraries take seconds to load.

    openstack-debian-fill.py catalog | hypervisor | content

Whatever is there already is left alone, so each may be run again.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from typing import Any

Json = dict[str, Any]
KEYSTONE, GLANCE, NOVA, NEUTRON = (os.environ[each] for each in ("KEYSTONE", "GLANCE", "NOVA", "NEUTRON"))
HAS = set(os.environ["SERVICES"].split())
DEFAULT = {"id": "default"}
SERVICES = [
    ("glance", "image", GLANCE),
    ("placement", "placement", os.environ["PLACEMENT"]),
    ("nova", "compute", NOVA),
    ("neutron", "network", NEUTRON),
]
HEADERS = {"Content-Type": "application/json"}
PATIENCE = 300
HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(method: str, url: str, body: Json | bytes | None = None, headers: Json | None = None) -> tuple[Json, Json]:
    """Return the answer and its headers."""
    data = json.dumps(body).encode() if body is not None and not isinstance(body, bytes) else body
    request = urllib.request.Request(url, data, {**HEADERS, **(headers or {})}, method=method)  # noqa: S310 - ours
    with HTTP.open(request, timeout=180) as answer:
        text = answer.read()
        return (json.loads(text) if text else {}), dict(answer.headers)


def log_in() -> None:
    """Get the administrator's token for all that follows."""
    user = {"name": "admin", "domain": DEFAULT, "password": os.environ["ADMIN_PASSWORD"]}
    scope = {"project": {"name": "admin", "domain": DEFAULT}}
    identity = {"methods": ["password"], "password": {"user": user}}
    _, headers = call("POST", f"{KEYSTONE}/auth/tokens", {"auth": {"identity": identity, "scope": scope}})
    HEADERS["X-Auth-Token"] = headers["X-Subject-Token"]


def ensure(base: str, kind: str, one: str, body: Json) -> Json:
    """Return what has the body's name among `kind`, made if it was not there."""
    for each in call("GET", f"{base}/{kind}")[0][kind]:
        if each["name"] == body["name"]:
            return dict(each)
    return dict(call("POST", f"{base}/{kind}", {one: body})[0][one])


def grant(project: Json, user: Json, role: Json) -> None:
    """Give a user a role in a project."""
    call("PUT", f"{KEYSTONE}/projects/{project['id']}/users/{user['id']}/roles/{role['id']}")


def catalog() -> None:
    """Users, services and endpoints; user01, who is nobody special."""
    project = ensure(KEYSTONE, "projects", "project", {"name": "service", "domain_id": "default"})
    roles = [ensure(KEYSTONE, "roles", "role", {"name": each}) for each in ("admin", "service")]
    known = call("GET", f"{KEYSTONE}/endpoints")[0]["endpoints"]
    for name, kind, url in SERVICES:
        if name not in HAS:
            continue
        body = {"name": name, "domain_id": "default", "password": os.environ["SERVICE_PASSWORD"]}
        user = ensure(KEYSTONE, "users", "user", body)
        for role in roles:
            grant(project, user, role)
        service = ensure(KEYSTONE, "services", "service", {"name": name, "type": kind})
        has = {each["interface"] for each in known if each["service_id"] == service["id"]}
        for interface in {"public", "internal", "admin"} - has:
            body = {"service_id": service["id"], "interface": interface, "url": url, "region_id": "RegionOne"}
            call("POST", f"{KEYSTONE}/endpoints", {"endpoint": body})
    project = ensure(KEYSTONE, "projects", "project", {"name": "user01", "domain_id": "default"})
    body = {"name": "user01", "domain_id": "default", "password": os.environ["USER_PASSWORD"]}
    grant(project, ensure(KEYSTONE, "users", "user", body), ensure(KEYSTONE, "roles", "role", {"name": "member"}))


def hypervisor() -> None:
    """Fail until nova knows the hypervisor of this node."""
    found = call("GET", f"{NOVA}/os-services?binary=nova-compute")[0]["services"]
    if not any(each["state"] == "up" for each in found):
        sys.exit(1)


def content() -> None:
    """An image; with nova and neutron a network, a flavor and a server that runs."""
    image = an_image()
    if not {"nova", "neutron"} <= HAS:
        return
    network = ensure(f"{NEUTRON}/v2.0", "networks", "network", {"name": "private"})
    subnet = {"name": "private", "network_id": network["id"], "ip_version": 4, "cidr": "10.20.30.0/24"}
    ensure(f"{NEUTRON}/v2.0", "subnets", "subnet", subnet)
    external = {"name": "external_network", "router:external": True}
    external |= {"provider:network_type": "flat", "provider:physical_network": "external"}
    network_out = ensure(f"{NEUTRON}/v2.0", "networks", "network", external)
    subnet = {"name": "public_subnet", "network_id": network_out["id"], "ip_version": 4}
    subnet |= {"cidr": "192.168.200.0/24", "enable_dhcp": False}
    ensure(f"{NEUTRON}/v2.0", "subnets", "subnet", subnet)
    flavor = ensure(NOVA, "flavors", "flavor", {"name": "m1.tiny", "ram": 512, "vcpus": 1, "disk": 1})
    body = {"name": "first", "imageRef": image["id"], "flavorRef": flavor["id"], "networks": [{"uuid": network["id"]}]}
    for each in call("GET", f"{NOVA}/servers?name=first&status=error")[0]["servers"]:
        call("DELETE", f"{NOVA}/servers/{each['id']}")
    server = ensure(NOVA, "servers", "server", body)
    wait_for_server(f"{NOVA}/servers/{server['id']}")


def an_image() -> Json:
    """Return an image of one MiB that holds nothing."""
    body = {"name": "empty", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
    for each in call("GET", f"{GLANCE}/v2/images?name=empty")[0]["images"]:
        if each["status"] == "active":
            return dict(each)
        call("DELETE", f"{GLANCE}/v2/images/{each['id']}")
    image, _ = call("POST", f"{GLANCE}/v2/images", body)
    file = {"Content-Type": "application/octet-stream"}
    call("PUT", f"{GLANCE}/v2/images/{image['id']}/file", bytes(1 << 20), file)
    return image


def wait_for_server(url: str) -> None:
    """Return when the server is ACTIVE; end with nova's reason when it does not come to that."""
    end = time.monotonic() + PATIENCE
    while True:
        server = call("GET", url)[0]["server"]
        if server["status"] == "ACTIVE":
            return
        if server["status"] == "ERROR" or time.monotonic() > end:
            sys.exit(f"the server is {server['status']}: {server.get('fault', {}).get('message', 'no reason given')}")
        time.sleep(1)


if __name__ == "__main__":
    try:
        log_in()
        {"catalog": catalog, "hypervisor": hypervisor, "content": content}[sys.argv[1]]()
    except urllib.error.HTTPError as error:
        sys.exit(f"{error.url} answers {error.code}: {error.read(500).decode(errors='replace')}")
    except OSError as error:
        sys.exit(f"no answer: {error}")
