"""Repositories of stand-in packages with the true names, made by rpmbuild and createrepo_c and served on loopback.

What they prove is names, dependencies, conflicts and order; there is nothing of OpenStack in them.
"""

import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

STAND_INS = Path(__file__).parent / "stand_ins"
HASH = "0123456789abcdef0123456789abcdef01234567_89abcdef"
TEMPLATES = "/usr/share/openstack-tripleo-heat-templates"
STANDALONE = b"resource_registry:\n  OS::TripleO::Services::AodhApi: OS::Heat::None\n"
_SPEC = """\
Name: {source}
Version: 1
Release: 1
Summary: Stand-ins
License: Apache-2.0
BuildArch: noarch
%global __os_install_post %{{nil}}
%global debug_package %{{nil}}
%description
Stand-ins
%install
cp -a {tree}/. %{{buildroot}}/
"""
_PACKAGE = """\
%package -n {name}
Version: {version}
Summary: A stand-in for {name}
AutoReqProv: no
{relations}
%description -n {name}
A stand-in
%files -n {name}
{files}
"""
MODULES = """\
---
document: modulemd-defaults
version: 1
data:
  module: mariadb
  stream: "10.11"
  profiles: {"10.11": [server]}
---
document: modulemd
version: 2
data:
  name: mariadb
  stream: "10.11"
  version: 1
  context: abcdef12
  arch: noarch
  summary: The MariaDB of the distribution
  description: The MariaDB of the distribution
  license: {module: [MIT]}
  profiles: {server: {rpms: [mariadb-server]}}
  artifacts:
    rpms: ["mariadb-server-0:10.11.9-1.noarch"]
...
"""


@dataclass(frozen=True)
class Rpm:
    """One package: `files` maps absolute paths to their content, executable where they are programs."""

    name: str
    version: str = "1.0"
    requires: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)


def build(directory: Path, packages: list[Rpm], modules: str = "") -> Path:
    """Make a repository of these packages in `directory`, and return it."""
    tree, work = directory.with_name(f"{directory.name}.tree"), directory.with_name(f"{directory.name}.build")
    spec = _SPEC.format(source=f"stand-ins-{directory.name}", tree=tree)
    tree.mkdir(parents=True)
    for rpm in packages:
        marker = f"/usr/share/stand-ins/{rpm.name}"
        for path, content in {marker: rpm.version.encode(), **rpm.files}.items():
            file = tree / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            file.chmod(0o755 if content.startswith(b"#!") else 0o644)
        relations = [f"Requires: {each}" for each in rpm.requires]
        files = "\n".join([marker, *rpm.files])
        spec += _PACKAGE.format(name=rpm.name, version=rpm.version, relations="\n".join(relations), files=files)
    work.mkdir()
    (work / "stand-ins.spec").write_text(spec)
    _run(
        "rpmbuild",
        "-bb",
        "--quiet",
        f"--define=_topdir {work}",
        f"--define=_rpmdir {directory}",
        work / "stand-ins.spec",
    )
    _run("createrepo_c", "--quiet", directory)
    if modules:
        (work / "modules.yaml").write_text(modules)
        _run("modifyrepo_c", "--mdtype=modules", work / "modules.yaml", directory / "repodata")
    return directory


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """Serve a directory by HTTP on a free loopback port during a block; gives its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(directory)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name
        """Say nothing."""


def repo_file(name: str, url: str, *, enabled: bool = True, extra: str = "") -> str:
    """Return the text of a .repo file."""
    return f"[{name}]\nname={name}\nbaseurl={url}\nenabled={int(enabled)}\ngpgcheck=0\n{extra}\n"


def stream_9(top: Path, url: str) -> None:
    """Make, below `top`, the repositories of a CentOS Stream 9 with RDO's: `url` is where `top` will be served."""
    build(
        top / "baseos",
        [
            *(_release(name, url) for name in ("epoxy", "wallaby")),
            Rpm("mariadb-server", "10.11.9"),
            Rpm("chrony"), Rpm("httpd"), Rpm("lvm2"), Rpm("qemu-img"), Rpm("targetcli"), Rpm("redis"), Rpm("memcached"),
            Rpm("libvirt-daemon-kvm"), Rpm("iptables-services"), Rpm("epel-release"), Rpm("dnf-plugins-core"),
        ],
        MODULES,
    )  # fmt: skip
    build(top / "crb", [Rpm("python3-only-in-crb")])
    # EPEL has a newer one, which would get in
    recorders = [Rpm(each) for each in ("asciinema", "chromedriver", "chromium", "ffmpeg-free")]
    build(top / "epel", [Rpm("python3-PyMySQL", "9.9"), *recorders])
    build(top / "epoxy", _rdo("2025.1"))
    build(top / "wallaby", [*_rdo("2021.1"), *_tripleo("16.5")])
    build(top / "trunk", _rdo("2025.2"))
    for branch in ("centos9-epoxy", "centos9-master", "centos10-flamingo"):
        for place in ("puppet-passed-ci", "consistent", "current", f"{HASH[:2]}/{HASH[2:4]}/{HASH}"):
            directory = top / branch / place
            directory.mkdir(parents=True)
            (directory / "delorean.repo").write_text(
                repo_file(f"{branch}-{place[:2]}", f"{url}/trunk", extra="priority=1")
            )
        (top / branch / "delorean-deps.repo").write_text(repo_file("delorean-deps", f"{url}/epoxy"))


def _release(name: str, url: str) -> Rpm:
    repo = repo_file(f"centos-openstack-{name}", f"{url}/{name}").encode()
    return Rpm(f"centos-release-openstack-{name}", files={f"/etc/yum.repos.d/CentOS-OpenStack-{name}.repo": repo})


def _rdo(version: str) -> list[Rpm]:
    nova = ("nova-api", "nova-compute", "nova-conductor", "placement-api")
    services = ("keystone", "glance", "cinder", *nova, "neutron", "selinux")
    names = (*(f"openstack-{each}" for each in services), "puppet", "rabbitmq-server")
    packstack = {
        "/usr/bin/packstack": (STAND_INS / "packstack").read_bytes(),
        "/usr/share/packstack-stand-in/options": (STAND_INS / "packstack.options").read_bytes(),
    }
    return [
        Rpm("openstack-packstack", version, ("openstack-packstack-puppet", "python3-only-in-crb"), files=packstack),
        Rpm("openstack-packstack-puppet", version, ("puppet",),
            files={"/usr/share/openstack-puppet/modules/keystone/metadata.json": b"{}"}),
        Rpm("python3-openstackclient", version, files={"/usr/bin/openstack": (STAND_INS / "openstack").read_bytes()}),
        Rpm("python3-PyMySQL", "1.1"),
        Rpm("mariadb-server", "10.5.22"),
        *(Rpm(name, version, ("python3-PyMySQL",) if name == "openstack-keystone" else ()) for name in names),
    ]  # fmt: skip


def _tripleo(version: str) -> list[Rpm]:
    environment, roles = "environments/standalone/standalone-tripleo.yaml", "roles/Standalone.yaml"
    templates = {f"{TEMPLATES}/{environment}": STANDALONE, f"{TEMPLATES}/{roles}": b"- name: Standalone\n"}
    client = {"/usr/libexec/tripleo-stand-in": (STAND_INS / "tripleo").read_bytes()}
    needs = ("openstack-tripleo-heat-templates", "python3-openstackclient")
    return [
        Rpm("python3-tripleoclient", version, needs, files=client),
        Rpm("openstack-tripleo-heat-templates", version, files=templates),
    ]


def _run(*command: object) -> None:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
