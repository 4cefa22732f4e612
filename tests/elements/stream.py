"""This host dressed as a CentOS Stream: its own files below a layer that is thrown away, with real dnf and rpm.

Hooks and ready-scripts run in it as they would in an image and on a node. It is a Debian below, so what it proves ends
where a program of CentOS itself would have to run.
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from nodepool_lite.config.files import dib_elements
from nodepool_lite.config.shipped import elements_dir, etc_dir
from tests.elements.repositories import repo_file

_ENTER = r"""
set -eu
mount --make-rprivate /
mkdir -p "$TREE/up" "$TREE/work" "$TREE/root"
mount -t overlay -o lowerdir=/,upperdir="$TREE/up",workdir="$TREE/work" overlay "$TREE/root"
for each in proc sys dev; do mount --rbind "/$each" "$TREE/root/$each"; done
mount -t tmpfs -o mode=0755 tmpfs "$TREE/root/run"
mount -t tmpfs -o mode=1777 tmpfs "$TREE/root/tmp"
[ -z "${NAME:-}" ] || hostname "$NAME"
[ -z "${HOOKS:-}" ] || { mkdir "$TREE/root/tmp/in_target.d"; mount --bind "$HOOKS" "$TREE/root/tmp/in_target.d"; }
exec chroot "$TREE/root" bash -c "$COMMAND"
"""
_BOOT = r"""
ip link set lo up
printf '127.0.0.1 localhost %s\n127.0.1.1 %s\n' "${RESOLVES:-}" "$(hostname)" > /etc/hosts
[ ! -x /usr/local/sbin/packstack-ready-address ] || /usr/local/sbin/packstack-ready-address
hostname > /etc/hostname
cd /opt/nodepool-scripts
"""
_SYSTEMCTL = """\
#!/bin/bash
# Starts what needs no systemd; the rest is done as in any chroot.
[ "$*" != "start packstack-ready-address" ] || exec /usr/local/sbin/packstack-ready-address
exec /usr/bin/systemctl "$@"
"""
OS_RELEASE = """\
ID="{id}"
ID_LIKE="rhel fedora"
VERSION_ID="{version}"
PLATFORM_ID="platform:el{version}"
"""


class Stream:
    """One such system; its layer is in `directory`, and lasts from one command to the next."""

    def __init__(self, directory: Path, url: str, version: str = "9", os_id: str = "centos") -> None:
        self._tree = directory / "stream"
        self._tree.mkdir()
        self._hooks = directory / "hooks"
        self._hooks.mkdir()
        repos = {
            "centos": repo_file("baseos", f"{url}/baseos") + repo_file("crb", f"{url}/crb", enabled=False),
            "epel": repo_file("epel", f"{url}/epel"),
        }
        tools = [*(dib_elements()[0] / "yum" / "bin").iterdir(), dib_elements()[0] / "redhat-common/bin/map-packages"]
        self.write("/etc/os-release", OS_RELEASE.format(id=os_id, version=version))
        for name, text in repos.items():
            self.write(f"/etc/yum.repos.d/{name}.repo", text)
        self.write("/etc/dnf/plugins/local.conf", "[main]\nenabled = false\n")
        self.write("/etc/dnf/dnf.conf", "[main]\ngpgcheck=0\nbest=True\n")
        self.write("/etc/dnf/vars/releasever", version)
        for tool in tools:
            self.write(f"/usr/local/bin/{tool.name}", tool.read_text(), 0o755)
        self.write("/usr/local/bin/pkg-map", '#!/bin/bash\necho "${@: -1}"\n', 0o755)
        self.write("/root/.keep", "")
        self.run("rm -rf /var/lib/rpm /var/lib/dnf /var/cache/dnf /usr/lib/sysimage/rpm; rpm --initdb")

    def copy(self, directory: Path) -> "Stream":
        """Return another one with all that was done to this one so far."""
        other = object.__new__(Stream)
        other._tree, other._hooks = directory / "stream", directory / "hooks"
        subprocess.check_call(["cp", "-a", self._tree, other._tree])
        other._hooks.mkdir()
        return other

    def path(self, name: str) -> Path:
        """Return where a file that was written in there is to be found in ours."""
        return self._tree / "up" / name.lstrip("/")

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        """Put a file into it."""
        file = self.path(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def run(
        self,
        command: str,
        environment: Mapping[str, str] | None = None,
        *,
        check: bool = True,
        name: str = "",
        network: Literal["ours", "own"] = "ours",
    ) -> subprocess.CompletedProcess[str]:
        """Run a line of bash in there as root, in namespaces of its own."""
        alone = ["--net"] if network == "own" else []
        settings = {"TREE": str(self._tree), "HOOKS": str(self._hooks), "COMMAND": command, "NAME": name}
        base = {
            "PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LC_ALL": "C.UTF-8",
            "YUM": "dnf",
        }
        done = subprocess.run(
            ["unshare", *alone, "--mount", "--pid", "--fork", "--uts", "--kill-child", "sh", "-c", _ENTER],
            env={**base, **settings, **(environment or {})}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not check, f"{command}: {done.stdout}{done.stderr}"
        return done

    def element(
        self, name: str, environment: Mapping[str, str] | None = None, *, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run an element's hooks in the order of a build: outside, then inside; returns how the last one went.

        Those that clean up from outside run inside, too, where the image's root is the root.
        """
        element = elements_dir() / name
        sourced = {**os.environ, **(environment or {})}
        lines = [f". {each}" for each in sorted((element / "environment.d").glob("*"))]
        dumped = subprocess.run(
            ["bash", "-c", "; ".join([*lines, "env -0"])], env=sourced, capture_output=True, text=True, check=True
        ).stdout
        defaults = dict(each.split("=", 1) for each in dumped.split("\0") if "=" in each)
        variables = {
            key: value for key, value in defaults.items() if key not in os.environ or key in (environment or {})
        }
        done = subprocess.CompletedProcess[str]([], 0, "", "")
        for hook in sorted((element / "extra-data.d").glob("*")):
            outside = {**os.environ, **variables, "TMP_HOOKS_PATH": str(self._hooks)}
            done = subprocess.run([hook], env=outside, capture_output=True, text=True, check=False)
            assert done.returncode == 0 or not check, f"{hook}: {done.stdout}{done.stderr}"
            if done.returncode:
                return done
        self._static(element)
        for phase in ("pre-install.d", "install.d", "post-install.d", "cleanup.d"):
            for hook in sorted((element / phase).glob("*")):
                target = self._hooks / phase
                target.mkdir(exist_ok=True)
                (target / hook.name).write_bytes(hook.read_bytes())
                (target / hook.name).chmod(0o755)
                done = self.run(f"/tmp/in_target.d/{phase}/{hook.name}", {**variables, "TARGET_ROOT": ""}, check=check)
                if done.returncode:
                    return done
        return done

    def _static(self, element: Path) -> None:
        """What the elements install-static and dib-init-system do."""
        for source, target in ((element / "static", ""), (element / "init-scripts" / "systemd", "/etc/systemd/system")):
            for file in source.rglob("*"):
                if file.is_file():
                    mode = file.stat().st_mode & 0o777
                    self.write(f"{target}/{file.relative_to(source)}", file.read_text(), mode)

    def script(
        self, name: str, environment: Mapping[str, str] | None = None, *, host: str = "rdo-1", resolves: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Boot a node called `host`, as far as its network goes, and run a ready-script as the pool would.

        Of the world's names it knows those in `resolves`. Both outputs are in `stdout`; the script need not succeed.
        """
        for each in (etc_dir() / "scripts").iterdir():
            self.write(f"/opt/nodepool-scripts/{each.name}", each.read_text(), 0o755)
        command = (
            f"{_BOOT} setpriv --reuid jenkins --regid jenkins --init-groups env HOME=/home/jenkins ./{name} {host} 2>&1"
        )
        known = {"RESOLVES": resolves, **(environment or {})}
        return self.run(command, known, check=False, name=host, network="own")

    def boot(self, command: str, host: str) -> str:
        """Boot a node called `host`, as far as its network goes; return what a line of bash prints there, as root."""
        return self.run(f"{_BOOT} {command}", name=host, network="own").stdout

    def add_user(self) -> None:
        """Make the user that the pool logs in as."""
        self.run("useradd -m -s /bin/bash -U jenkins && echo 'jenkins ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/jenkins")
        self.write("/usr/local/bin/systemctl", _SYSTEMCTL, 0o755)
        self.run("install -d -m 0777 /var/lib/openstack-stand-in")
