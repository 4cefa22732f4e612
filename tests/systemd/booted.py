"""A real systemd as process 1 of namespaces of its own, with our units installed as the documents say.

Nothing of it reaches the host: /etc is an overlay, /run, /opt and /var/lib are fresh, and the end of the process 1
takes everything with it, whatever ends the test.
"""

import contextlib
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tests.waiting import eventually

CHECKOUT = Path(__file__).parents[2]
STATE = "var/lib/nodepool-lite"
LAUNCHER = "nodepool-lite-launcher.service"
BUILDER = "nodepool-lite-builder.service"

_CGROUPS = Path("/sys/fs/cgroup")
_STAND_INS = ("test", "sysinit", "basic", "shutdown", "network-online", "time-sync")
"""Targets that the distribution would have; here they mean nothing."""
_BOOT = r"""
set -eu
mount --make-rprivate /
mount -t proc proc /proc
for each in run opt var/lib; do mount -t tmpfs -o mode=0755 tmpfs "/$each"; done
mkdir /run/overlay /run/overlay/upper /run/overlay/work /run/python /run/checkout /run/site
mount -t overlay -o lowerdir=/etc,upperdir=/run/overlay/upper,workdir=/run/overlay/work overlay /etc
mount --bind "$PYTHON_HOME" /run/python
mount --bind "$CHECKOUT" /run/checkout
mount --bind "$SITE" /run/site
venv=/opt/nodepool-lite site=/opt/nodepool-lite/lib/$PYTHON/site-packages
mkdir -p $venv/bin "$site" /etc/nodepool-lite
ln -s "/run/python/bin/$PYTHON" $venv/bin/python3
printf 'home = /run/python/bin\ninclude-system-site-packages = false\n' > $venv/pyvenv.cfg
printf '/run/checkout\n/run/site\n' > "$site/checkout.pth"
cat > $venv/bin/nodepool-lite << 'END'
#!/bin/sh
export LD_LIBRARY_PATH=/run/python/lib PYTHONDONTWRITEBYTECODE=1
exec /opt/nodepool-lite/bin/python3 -c 'from nodepool_lite.cli.main import main; main()' "$@"
END
chmod 0755 $venv/bin/nodepool-lite
cp "$CONFIG" /etc/nodepool-lite/nodepool.yaml
mount -t tmpfs tmpfs /etc/systemd/system
cp -r "$UNITS/." /etc/systemd/system
systemd-sysusers "$CHECKOUT/systemd/sysusers.d/nodepool-lite.conf"
systemd-tmpfiles --create "$CHECKOUT/systemd/tmpfiles.d/nodepool-lite.conf"
umount -R /sys/fs/cgroup
if [ "$UNIFIED" = yes ]; then
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
else
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  mkdir /sys/fs/cgroup/unified /sys/fs/cgroup/systemd
  mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
  mount -t cgroup -o none,name=systemd,xattr cgroup /sys/fs/cgroup/systemd
fi
exec env -i container=nodepool-lite-test PATH="$PATH" SYSTEMD_UNIT_PATH=/etc/systemd/system \
  /lib/systemd/systemd --system --unit=test.target --log-target=console --show-status=no
"""


class Booted:
    """One systemd; a namespace's worth of host."""

    def __init__(self, directory: Path, config: str) -> None:
        self.logs = directory
        """Where systemd (`systemd.log`) and each unit write to."""
        self._units = directory / "units"
        self._config = directory / "nodepool.yaml"
        self._config.write_text(config)
        self._install()
        self._cgroups = list(_own_cgroups(f"nodepool-test-{os.getpid()}"))
        with (self.logs / "systemd.log").open("wb") as log:
            self._process = self._boot(log)
        self.init = eventually(self._process_1)
        eventually(lambda: self.ctl("is-active", "test.target", check=False) == "active")

    def ctl(self, *arguments: str, check: bool = True) -> str:
        """Run systemctl in there and return what it says."""
        command = ["nsenter", "-t", str(self.init), "-a", "systemctl", "--no-pager", *arguments]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        assert answer.returncode == 0 or not check, f"{' '.join(arguments)}: {answer.stderr}"
        return answer.stdout.strip()

    def property(self, unit: str, name: str) -> str:
        """Return one property of a unit."""
        return self.ctl("show", "--value", "--property", name, unit)

    def path(self, name: str) -> Path:
        """Return where a file of that world (`etc/...`) is to be found in ours."""
        return Path(f"/proc/{self.init}/root") / name

    def override(self, unit: str, text: str) -> None:
        """Give a unit a drop-in, as `systemctl edit` would."""
        self.path(f"etc/systemd/system/{unit}.d/override.conf").write_text(text)
        self.ctl("daemon-reload")

    def pool(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `nodepool-lite` in there, as root."""
        command = ["nsenter", "-t", str(self.init), "-a", "/opt/nodepool-lite/bin/nodepool-lite", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def kill(self, name: str, pid: str) -> None:
        """Send a signal to a process in there."""
        subprocess.run(["nsenter", "-t", str(self.init), "-p", "-m", "kill", f"-{name}", pid], check=True)

    def said(self, unit: str) -> str:
        """Return what a unit wrote to the journal."""
        log = self.logs / f"{unit}.log"
        return log.read_text() if log.exists() else ""

    def close(self) -> None:
        """End it; returns when nothing of it runs."""
        self._process.kill()
        self._process.wait()
        for group in self._cgroups:
            eventually(lambda group=group: _removed(group))

    def _install(self) -> None:
        self._units.mkdir()
        for each in (CHECKOUT / "systemd").glob("nodepool-lite*"):
            (self._units / each.name).write_text(each.read_text())
        for name in _STAND_INS:
            (self._units / f"{name}.target").write_text("[Unit]\nDefaultDependencies=no\n")
        for unit in (LAUNCHER, BUILDER):
            drop_in = self._units / f"{unit}.d"
            drop_in.mkdir()
            log = self.logs / f"{unit}.log"
            (drop_in / "log.conf").write_text(f"[Service]\nStandardOutput=append:{log}\nStandardError=inherit\n")

    def _boot(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHON_HOME": sys.base_prefix,
            "PYTHON": f"python{sys.version_info.major}.{sys.version_info.minor}",
            "SITE": sysconfig.get_path("purelib"),
            "CHECKOUT": str(CHECKOUT),
            "CONFIG": str(self._config),
            "UNITS": str(self._units),
            "UNIFIED": "yes" if (_CGROUPS / "cgroup.controllers").exists() else "no",
            "CGROUP_DIRECTORIES": " ".join(map(str, self._cgroups)),
        }
        enter = 'for each in $CGROUP_DIRECTORIES; do echo $$ > "$each/cgroup.procs"; done; exec "$@"'
        spaces = ("--pid", "--fork", "--mount", "--cgroup", "--ipc", "--uts", "--kill-child")
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "sh", "-ec", enter, "sh", "unshare", *spaces, "sh", "-c", _BOOT],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def _process_1(self) -> int | None:
        assert self._process.poll() is None, (self.logs / "systemd.log").read_text()
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for child in children:
            if Path(f"/proc/{child}/comm").read_text() == "systemd\n":
                return int(child)
        return None


def _own_cgroups(name: str) -> Iterator[Path]:
    """Make a group of that name below our own in every hierarchy that lets us, and give their directories."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, own = line.split(":", 2)
        unified = _CGROUPS if (_CGROUPS / "cgroup.controllers").exists() else _CGROUPS / "unified"
        top = unified if not controllers else _CGROUPS / controllers.removeprefix("name=")
        group = top / own.lstrip("/") / name
        if "cpuset" not in controllers.split(","):  # one without CPUs takes no process
            with contextlib.suppress(OSError):
                group.mkdir()
                yield group


def _removed(group: Path) -> bool:
    """Remove a group and those below it; the last process in there may be ending still."""
    try:
        for each in sorted(group.rglob("*/"), reverse=True):
            each.rmdir()
        group.rmdir()
    except OSError:
        return not group.exists()
    return True
