"""One HTTP request to one service of a cloud: in its turn, with a time-out, and every failure mapped."""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from keystoneauth1 import exceptions as ksa
from keystoneauth1.session import Session, TCPKeepAliveAdapter
from openstack.config.cloud_region import CloudRegion

from nodepool_lite.clouds.openstack import errors, region
from nodepool_lite.clouds.openstack.gate import Gate
from nodepool_lite.clouds.openstack.turnstile import Turnstile
from nodepool_lite.model.errors import BadRequestError, CloudError, TryAgainLaterError

Service = Literal["compute", "network", "image", "block-storage"]
Version = tuple[int, int]

CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 120.0
"""Seconds without a byte of the answer: a busy Nova takes several for a list of a thousand servers."""
TOKEN_TIMEOUT = 60.0
"""Seconds for fetching a token."""
NEWEST = (2, 93)
"""The newest compute microversion that the driver was tried with (Zed)."""
REFUSALS = 4
"""How often a call that the cloud refused as one too many is made again, before the caller hears of it."""
PATIENCE = 60.0
"""Seconds for which such a call is kept at most."""
_CONNECTIONS = 32
_VERSIONS: Mapping[str, str] = {"compute": "v2.1", "network": "v2.0", "image": "v2", "block-storage": "v3"}
"""What an endpoint without a version is continued with; all that come with a version are taken as they are."""


@dataclass(frozen=True)
class _Request:
    what: str
    service: Service
    method: str
    path: str
    timeout: float
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Reply:
    """An answer that was expected: its status, and its JSON (None when it has no body)."""

    status: int
    body: Any


class Api:
    """The way to one region of one cloud. Opened at the first call; thread-safe.

    clouds.yaml is read again after the cloud has refused the credentials: they may have been renewed there.
    """

    def __init__(self, cloud: str, region_name: str, beside: Path | None, turnstile: Turnstile) -> None:
        self._cloud = cloud
        self._region_name = region_name
        self._beside = beside
        self._turnstile = turnstile
        self._gate = Gate()
        self._lock = threading.RLock()
        self._region: CloudRegion | None = None
        self._session: Session | None = None
        self._own_timeout: float | None = None
        """Seconds that clouds.yaml gives each call (`api_timeout`)."""
        self._endpoints: dict[str, str] = {}
        self._version: Version | None = None

    def call(
        self,
        what: str,
        service: Service,
        method: str,
        path: str,
        *,
        json: object = None,
        params: object = None,
        data: object = None,
        also: frozenset[int] = frozenset(),
        first: bool = False,
        makes: bool = False,
        timeout: float = READ_TIMEOUT,
    ) -> Reply:
        """Make one request and return its answer.

        Args:
            what: What is tried, for error messages: `create a server`.
            service: The service to ask.
            method: The HTTP method.
            path: The path below the service's endpoint, with a slash in front.
            json: The body, as JSON.
            params: The query, as requests takes it.
            data: The body as it is, instead of `json`.
            also: Statuses that are no errors, besides those below 300.
            first: Go before other calls that wait for their turn.
            makes: It makes something new: what is missing is then something that it named.
            timeout: Seconds without a byte of the answer.

        Raises:
            CloudError: one of the four kinds of the contract.
        """
        headers = self._headers(service) if data is None else {"Content-Type": "application/octet-stream"}
        again = data is None  # what was read on its way to the cloud cannot be sent a second time
        options = {"json": json, "params": params, "data": data, "headers": headers, "allow_reauth": again}
        request = _Request(what, service, method, path, timeout, options)
        waited = 0.0
        for attempt in range(REFUSALS + 1):
            status, text, answered, body = self._in_turn(request, first=first)
            if status < 300 or status in also:  # noqa: PLR2004 - RFC 9110: the request was fulfilled
                self._turnstile.answered()
                return Reply(status, body)
            error = self._refusal(what, status, text, answered, makes=makes)
            pause = error.retry_after if isinstance(error, TryAgainLaterError) else None
            if status not in errors.BUSY or pause is None:
                break
            self._turnstile.refused(pause)
            waited += pause
            if attempt == REFUSALS or waited > PATIENCE or not again:
                break
        raise error

    def all(
        self, what: str, service: Service, path: str, key: str, params: Mapping[str, object], *, first: bool = False
    ) -> list[dict[str, Any]]:
        """Return all pages of a list, whose items stand under `key` of each answer; raises CloudError."""
        items: list[dict[str, Any]] = []
        marker: dict[str, object] = {}
        while True:
            body = self.call(what, service, "GET", path, params={**params, **marker}, first=first).body
            page = body.get(key) if isinstance(body, dict) else None
            if page is None:
                raise TryAgainLaterError(f"could not {what}: the answer holds no `{key}`")
            items += page
            more = body.get("next") or any(link.get("rel") == "next" for link in body.get(f"{key}_links", ()))
            if not more or not page:
                return items
            marker = {"marker": page[-1]["id"]}

    def version(self) -> Version:
        """Return the compute microversion to use: the newest that the cloud, the driver and clouds.yaml allow."""
        with self._lock:
            if self._version is None:
                reply = self.call("ask for the compute API's version", "compute", "GET", "/", first=True)
                offered = _parsed(reply.body.get("version", {}).get("version", "") if reply.body else "")
                wanted = _parsed(self._opened()[0].get_default_microversion("compute") or "") or NEWEST
                self._version = min(offered or (2, 1), wanted, NEWEST)
            return self._version

    def has(self, service: Service) -> bool:
        """Tell whether the cloud's catalogue has a service; raises CloudError when that cannot be read."""
        return bool(self._found(service))

    def project_id(self) -> str:
        """Return the id of the project that clouds.yaml leads to; raises CloudError."""
        try:
            return self._opened()[1].get_project_id() or ""
        except ksa.ClientException as error:
            raise errors.of_exception("log in", error) from error

    def region(self) -> CloudRegion:
        """Return what clouds.yaml says of this cloud; raises CloudError when it cannot be used."""
        return self._opened()[0]

    def close(self) -> None:
        """Send away who waits, and give back the connections, without waiting for a call that is under way."""
        self._turnstile.close()
        session = self._session
        if session is not None:
            session.session.close()

    def _reset(self) -> None:
        with self._lock:
            session, self._session, self._region = self._session, None, None
            self._endpoints.clear()
        if session is not None:
            session.session.close()

    def _headers(self, service: Service) -> dict[str, str]:
        version = self._version
        if service != "compute" or version is None:
            return {"Accept": "application/json"}
        number = f"{version[0]}.{version[1]}"
        return {
            "Accept": "application/json",
            "OpenStack-API-Version": f"compute {number}",
            "X-OpenStack-Nova-API-Version": number,
        }

    def _in_turn(self, request: _Request, *, first: bool) -> tuple[int, str, Mapping[str, str], Any]:
        """Make a request when it is its turn, and few enough others are being made; `first` waits for no others."""
        if first or request.options["data"] is not None:
            self._turnstile.enter(first=first)
            return self._send(request)
        with self._gate.inside():
            self._turnstile.enter()
            with self._gate.timed(f"{request.method} {request.service} {request.path.split('/')[1]}"):
                return self._send(request)

    def _send(self, request: _Request) -> tuple[int, str, Mapping[str, str], Any]:
        """Return the answer's status, text, headers and JSON; raises CloudError when there is none."""
        try:
            _, session = self._opened()
            response = session.request(
                self._endpoint(request.service) + request.path,
                request.method,
                raise_exc=False,
                log=False,  # user data holds host keys
                connect_retries=0,
                timeout=(CONNECT_TIMEOUT, self._own_timeout or request.timeout),
                **request.options,
            )
            good = response.status_code < 300 and response.content  # noqa: PLR2004 - RFC 9110
            body = response.json() if good and "json" in response.headers.get("Content-Type", "") else None
        except CloudError:
            raise
        except Exception as error:  # the libraries beneath raise from several trees, and not only from those
            mapped = errors.of_exception(request.what, error)
            if "credentials" in str(mapped):
                self._reset()
            raise mapped from error
        return response.status_code, response.text, response.headers, body

    def _refusal(self, what: str, status: int, text: str, headers: Mapping[str, str], *, makes: bool) -> CloudError:
        if status == 401:  # noqa: PLR2004 - RFC 9110; the session has already tried with a new token
            self._reset()
        return errors.of_status(what, status, text, headers, makes=makes)

    def _opened(self) -> tuple[CloudRegion, Session]:
        with self._lock:
            if self._region is None or self._session is None:
                file = region.find(self._cloud, self._beside)
                found, self._session = region.opened(self._cloud, self._region_name, file)
                session = self._session
                self._own_timeout, session.timeout = session.timeout, session.timeout or TOKEN_TIMEOUT
                for scheme in ("http://", "https://"):
                    session.session.mount(scheme, TCPKeepAliveAdapter(pool_maxsize=_CONNECTIONS))
                self._region = found
            return self._region, self._session

    def _endpoint(self, service: Service) -> str:
        with self._lock:
            if service not in self._endpoints:
                url = self._found(service)
                if not url:
                    where = f" in region {self._region_name}" if self._region_name else ""
                    raise BadRequestError(f"the cloud {self._cloud} has no {service} service{where}")
                self._endpoints[service] = _versioned(url, service)
            return self._endpoints[service]

    def _found(self, service: Service) -> str:
        """Return a service's endpoint: the one in clouds.yaml, or the catalogue's; empty when there is none."""
        found, session = self._opened()
        try:
            url = found.get_endpoint(service) or session.get_endpoint(
                service_type=found.get_service_type(service),
                service_name=found.get_service_name(service),
                interface=found.get_interface(service),
                region_name=found.get_region_name(service),
            )
        except ksa.EndpointNotFound:
            return ""
        except Exception as error:  # as in _send: logging in is behind this
            raise errors.of_exception(f"find the {service} service", error) from error
        return str(url or "")


def _versioned(url: str, service: Service) -> str:
    """Return an endpoint as the paths below it are meant: with a version, without a slash at its end."""
    plain = url.rstrip("/")
    return plain if re.search(r"/v\d+(\.\d+)?(/|$)", plain) else f"{plain}/{_VERSIONS[service]}"


def _parsed(version: str) -> Version | None:
    match = re.fullmatch(r"(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else None
