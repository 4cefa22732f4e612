"""The cloud's APIs as its administrator uses them, over Debian's keystoneauth1."""

from typing import Any

from keystoneauth1.adapter import Adapter
from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session

from .place import COMPUTE_VERSION, GLANCE, KEYSTONE, NEUTRON, NOVA, Place, url

TIMEOUT = 120.0


class Admin:
    """One adapter for each service; each makes plain requests and gives plain JSON."""

    def __init__(self, place: Place) -> None:
        auth = Password(
            auth_url=url(KEYSTONE, "/v3"),
            username="admin",
            password=place.password("admin"),
            project_name="admin",
            user_domain_id="default",
            project_domain_id="default",
        )
        session = Session(auth=auth, timeout=TIMEOUT)
        self.identity = Api(session, url(KEYSTONE, "/v3"))
        self.compute = Api(session, url(NOVA, "/v2.1"), COMPUTE_VERSION)
        self.network = Api(session, url(NEUTRON, "/v2.0"))
        self.image = Api(session, url(GLANCE, "/v2"))


class Api:
    """Requests to one service."""

    def __init__(self, session: Session, address: str, version: str | None = None) -> None:
        kind = "compute" if version else None
        self._adapter = Adapter(session, service_type=kind, endpoint_override=address, default_microversion=version)

    def list(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Return what the answer's only list holds, e.g. the servers of `/servers`."""
        answer = self._adapter.get(path, params=query).json()
        return next(value for value in answer.values() if isinstance(value, list))

    def create(self, path: str, kind: str, **what: object) -> dict[str, Any]:
        """Create something and return it as the service describes it."""
        answer: dict[str, dict[str, Any]] = self._adapter.post(path, json={kind: what}).json()
        return answer[kind]

    def ensure(self, path: str, kind: str, name: str, **what: object) -> dict[str, Any]:
        """Return the thing of this name, created if there was none."""
        found = [thing for thing in self.list(path) if thing["name"] == name]
        return found[0] if found else self.create(path, kind, name=name, **what)

    def put(self, path: str, body: dict[str, Any] | None = None, data: bytes | None = None) -> None:
        """Put a document, or the bytes of a file."""
        headers = {"Content-Type": "application/octet-stream"} if data is not None else {}
        self._adapter.put(path, json=body, data=data, headers=headers)

    def register(self, **what: object) -> dict[str, Any]:
        """Create an image's record; Glance alone wraps nothing."""
        image: dict[str, Any] = self._adapter.post("/images", json=what).json()
        return image

    def post(self, path: str, body: dict[str, Any]) -> None:
        """Ask for an action."""
        self._adapter.post(path, json=body)
