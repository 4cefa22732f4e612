"""Who uses the cloud: projects with their quotas, users, and the services' places in the catalogue."""

from dataclasses import dataclass, field

from .admin import Admin
from .place import GLANCE, NEUTRON, NOVA, PLACEMENT, REGION, Place, url

SERVICES = {
    "glance": ("image", url(GLANCE)),
    "placement": ("placement", url(PLACEMENT)),
    "nova": ("compute", url(NOVA, "/v2.1")),
    "neutron": ("network", url(NEUTRON)),
}


@dataclass(frozen=True)
class Member:
    """An ordinary user, and the entry of clouds.yaml that logs in as this user."""

    entry: str
    user: str
    project: str


MEMBERS = (Member("one", "alice", "one"), Member("two", "bob", "two"), Member("neighbour", "carol", "one"))


@dataclass(frozen=True)
class Quota:
    """What a project may use."""

    compute: dict[str, int] = field(default_factory=dict)
    network: dict[str, int] = field(default_factory=dict)


QUOTAS = {
    "one": Quota(
        compute={"instances": 1000, "cores": 2000, "ram": 2_000_000},
        network={"port": 2000, "floatingip": 100, "security_group": 50},
    ),
    "two": Quota(
        compute={"instances": 3, "cores": 4, "ram": 4096},
        network={"port": 6, "floatingip": 2},
    ),
}


def create_accounts(place: Place, admin: Admin) -> None:
    """Make projects and users; the services' own users too, so that they can check tokens."""
    projects = {name: admin.identity.ensure("/projects", "project", name)["id"] for name in ("service", *QUOTAS)}
    roles = {name: admin.identity.ensure("/roles", "role", name)["id"] for name in ("member", "admin", "service")}
    users = {user["name"]: user["id"] for user in admin.identity.list("/users")}
    accounts: list[tuple[str, str, tuple[str, ...]]] = [
        *((member.user, member.project, ("member",)) for member in MEMBERS),
        *((name, "service", ("admin", "service")) for name in SERVICES),
    ]
    for name, project, wanted in accounts:
        if name not in users:
            password = place.password(name)
            users[name] = admin.identity.create("/users", "user", name=name, password=password)["id"]
        for role in wanted:
            admin.identity.put(f"/projects/{projects[project]}/users/{users[name]}/roles/{roles[role]}")


def fill_catalogue(admin: Admin) -> None:
    """Say where the services are."""
    known = {service["name"] for service in admin.identity.list("/services")}
    for name, (kind, address) in SERVICES.items():
        if name not in known:
            service = admin.identity.create("/services", "service", name=name, type=kind)
            admin.identity.create(
                "/endpoints", "endpoint", service_id=service["id"], interface="public", url=address, region_id=REGION
            )


def limit(admin: Admin) -> None:
    """Set the projects' quotas."""
    for project in admin.identity.list("/projects"):
        quota = QUOTAS.get(project["name"])
        if quota:
            admin.compute.put(f"/os-quota-sets/{project['id']}", {"quota_set": quota.compute})
            admin.network.put(f"/quotas/{project['id']}", {"quota": quota.network})


def write_clouds_yaml(place: Place) -> None:
    """Write what openstacksdk needs to log in as each of them."""
    entries = [(member.entry, member.user, member.project) for member in MEMBERS]
    text = "clouds:\n"
    for entry, user, project in [("admin", "admin", "admin"), *entries]:
        text += (
            f"  {entry}:\n"
            f"    region_name: {REGION}\n"
            "    auth:\n"
            f"      auth_url: {place.auth_url}\n"
            f"      username: {user}\n"
            f"      password: {place.password(user)}\n"
            f"      project_name: {project}\n"
            "      user_domain_name: Default\n"
            "      project_domain_name: Default\n"
        )
    place.clouds_yaml.touch(mode=0o600)
    place.clouds_yaml.write_text(text)
