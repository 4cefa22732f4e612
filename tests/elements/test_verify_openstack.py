"""verify_openstack.sh says in its last line what does not answer; a small server stands in for an OpenStack."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from nodepool_lite.config.shipped import scripts_dir

pytestmark = pytest.mark.machine
PASSWORD = "secret"
TYPES = {"keystone": "identity", "glance": "image", "nova": "compute", "cinder": "block-storage"}


class OpenStack(ThreadingHTTPServer):
    """Answers as keystone does under /v3, and with `answers` below /<service>."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.answers = dict.fromkeys(("glance", "nova", "cinder"), 200)
        self.catalog: tuple[str, ...] = tuple(TYPES)

    def services(self) -> list[dict[str, object]]:
        """Return the catalog; internal endpoints are nobody's business."""
        return [
            {"name": name, "type": TYPES[name], "endpoints": [
                {"interface": "public", "url": f"{self.url}/v3" if name == "keystone" else f"{self.url}/{name}"},
                {"interface": "internal", "url": f"{self.url}/nowhere"},
            ]}
            for name in self.catalog
        ]  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    server: OpenStack

    def do_POST(self) -> None:
        """Give a token for the right password, to whoever asks in the way of the Identity API v3."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["auth"]
        right = self.path == "/v3/auth/tokens" and asked["identity"]["password"]["user"]["password"] == PASSWORD
        body = json.dumps({"token": {"catalog": self.server.services()}}).encode() if right else b"{}"
        self._answer(201 if right else 401, body)

    def do_GET(self) -> None:
        """Answer for a service; who has no token gets 401."""
        service = self.path.split("/")[1]
        status = self.server.answers.get(service, 200 if service == "v3" else 404)
        self._answer(status if self.headers.get("X-Auth-Token") == "token" else 401, b"{}")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("X-Subject-Token", "token")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name
        """Say nothing."""


@pytest.fixture
def openstack() -> Iterator[OpenStack]:
    """A deployment of which everything answers."""
    with OpenStack() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def verify(home: Path, url: str, settings: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run the script where keystonerc_admin names `url`; return its status and the last line of what it said."""
    rc = {"OS_AUTH_URL": url, "OS_USERNAME": "admin", "OS_PASSWORD": PASSWORD, "OS_PROJECT_NAME": "admin"}
    lines = [f"export {name}='{value}'\n" for name, value in {**rc, **(settings or {})}.items()]
    (home / "keystonerc_admin").write_text("".join(lines))
    return run(home)


def run(home: Path) -> tuple[int, str]:
    """Run the script in this home; return its status and the last line of what it said."""
    environment = {**os.environ, "HOME": str(home)}
    command = ["bash", scripts_dir() / "verify_openstack.sh"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr).splitlines()[-1]


@pytest.mark.parametrize("path", ["", "/v3", "/v3/"], ids=["root", "v3", "slash"])
def test_a_deployment_that_answers_is_content(openstack: OpenStack, tmp_path: Path, path: str) -> None:
    """However the file spells keystone's URL; a service that wants another path may say that it knows this one not."""
    openstack.answers["cinder"] = 404
    assert verify(tmp_path, openstack.url + path) == (0, "keystone and 3 other endpoints answer")


@pytest.mark.parametrize(("service", "status"), [("glance", 503), ("nova", 404), ("cinder", 500)])
def test_a_service_that_does_not_work_is_named(openstack: OpenStack, tmp_path: Path, service: str, status: int) -> None:
    """With its address and what it said."""
    openstack.answers[service] = status
    found, said = verify(tmp_path, openstack.url)
    assert found == 1
    assert said.startswith(f"{service} at {openstack.url}/{service}")
    assert said.endswith(f"answers {status}")


def test_a_password_that_keystone_does_not_know(openstack: OpenStack, tmp_path: Path) -> None:
    """Gets no token."""
    found = verify(tmp_path, openstack.url, {"OS_PASSWORD": "another"})
    assert found == (1, f"keystone at {openstack.url}/v3 gives no token: it answers 401")


def test_a_keystone_that_is_gone(openstack: OpenStack, tmp_path: Path) -> None:
    """Is told in the words of curl."""
    openstack.server_close()
    found, said = verify(tmp_path, openstack.url)
    assert found == 1
    assert said.startswith(f"keystone at {openstack.url}/v3 does not answer: curl: ")


def test_an_empty_catalog(openstack: OpenStack, tmp_path: Path) -> None:
    """Is no OpenStack that anybody could use."""
    openstack.catalog = ()
    assert verify(tmp_path, openstack.url) == (1, f"the catalog of keystone at {openstack.url}/v3 is empty")


def test_a_node_without_the_file(tmp_path: Path) -> None:
    """Was never deployed."""
    assert run(tmp_path) == (1, f"there is no {tmp_path}/keystonerc_admin")
