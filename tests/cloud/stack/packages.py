"""Debian's packages: which ones are needed, and how they come onto the host without anything of them being started."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .place import CloudError, Mode, Place
from .process import run
from .say import say

CONTROL = [
    "mariadb-server-core",
    "mariadb-client-core",
    "mariadb-backup",
    "rabbitmq-server",
    "memcached",
    "python3-keystone",
    "python3-placement",
    "glance-common",
    "glance-api",
    "nova-common",
    "nova-conductor",
    "nova-scheduler",
    "neutron-common",
    "python3-pymysql",
    "python3-pymemcache",
    "python3-memcache",
    "uwsgi-core",
    "uwsgi-plugin-python3",
    "iproute2",
    "procps",
]
HYPERVISOR = [
    "libvirt-daemon-system",
    "libvirt-clients",
    "python3-libvirt",
    "qemu-system-x86",
    "qemu-utils",
    "genisoimage",
    "iptables",
    "ebtables",
    "conntrack",
    "dnsmasq-base",
    "dnsmasq-utils",
    "bridge-utils",
    "iputils-arping",
]

POLICY = Path("/usr/sbin/policy-rc.d")
SET_ASIDE = Path("/usr/sbin/policy-rc.d.before-nodepool-lite")
NOTHING_STARTS = "#!/bin/sh\n# Of nodepool-lite's tests/cloud/up, while it installs packages.\nexit 101\n"
DEBIAN = ("ID=debian", 'VERSION_ID="12"')


def install(place: Place, mode: Mode) -> None:
    """Install what is missing; on a host that has everything this costs one look at dpkg's database."""
    wanted = CONTROL + HYPERVISOR if mode is Mode.FULL else CONTROL
    before = _installed()
    missing = sorted(set(wanted) - before)
    if not missing:
        return
    release = Path("/etc/os-release").read_text()
    if not all(line in release.splitlines() for line in DEBIAN):
        raise CloudError(
            "these packages are missing, and only Debian 12 has the releases we know: " + " ".join(missing)
        )
    say(f"installing {len(missing)} packages and what they need")
    log = place.log / "apt.log"
    apt = ["apt-get", "-y", "-o", "DPkg::Lock::Timeout=600", "-o", "Dpkg::Options::=--force-confold"]
    apt += ["-o", "Dpkg::Options::=--force-unsafe-io"]
    with _nothing_starts():
        run([*apt, "update"], log)
        run([*apt, "install", "--no-install-recommends", *missing], log, DEBIAN_FRONTEND="noninteractive")
    _disable_units(_installed() - before)


def versions() -> str:
    """Return the versions of all packages that the databases' schemas depend on."""
    wanted = [name for name in CONTROL if not name.startswith(("uwsgi", "iproute", "procps"))]
    return _dpkg_query("${Package}=${Version}\n", *wanted)


def _installed() -> set[str]:
    lines = _dpkg_query("${db:Status-Status} ${Package}\n").splitlines()
    return {package for status, _, package in (line.partition(" ") for line in lines) if status == "installed"}


def _dpkg_query(form: str, *packages: str) -> str:
    return subprocess.run(
        ["dpkg-query", "-W", "-f", form, *packages], stdout=subprocess.PIPE, text=True, check=True
    ).stdout


@contextmanager
def _nothing_starts() -> Iterator[None]:
    """Keep maintainer scripts from starting daemons; the host's own policy comes back afterwards."""
    if POLICY.exists() and POLICY.read_text() != NOTHING_STARTS:
        POLICY.rename(SET_ASIDE)
    POLICY.write_text(NOTHING_STARTS)
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
        if SET_ASIDE.exists():
            SET_ASIDE.rename(POLICY)


def _disable_units(packages: set[str]) -> None:
    """Keep systemd, where there is one, from starting at the next boot what we installed for tests only."""
    if not packages or not Path("/usr/bin/systemctl").exists():
        return
    listed = subprocess.run(["dpkg", "-L", *packages], stdout=subprocess.PIPE, text=True, check=True).stdout
    files = [Path(line) for line in listed.splitlines() if "/systemd/system/" in line]
    units = [file.name for file in files if file.suffix in {".service", ".socket", ".timer"} and "@" not in file.name]
    if units:
        subprocess.run(
            ["systemctl", "disable", *units],
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "SYSTEMD_OFFLINE": "1"},
        )
