"""The environment that disk-image-create runs in: what the host says, below what the recipe says."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nodepool_lite.actions.dib import apt
from nodepool_lite.actions.dib.recipe import OWN_ELEMENTS, Recipe

_PASSED_ON = ("HOME", "LANG", "TERM", "USER", "LOGNAME", "http_proxy", "https_proxy", "no_proxy")
"""Of our own environment. Little, on purpose: much of it would reach into the image, where its paths do not exist."""

_SYSTEM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_DEBIAN_ELEMENTS = {"debian", "debian-minimal", "debian-systemd", "debootstrap"}
_LOCAL_CAS = (
    (Path("/usr/local/share/ca-certificates"), "*.crt"),
    (Path("/etc/pki/ca-trust/source/anchors"), "*"),
)


def environment(recipe: Recipe, host_tools: Sequence[Path], cache: Path) -> dict[str, str]:
    """Return the whole environment of a build; `host_tools` are directories of stand-ins to put first on PATH."""
    diskimage = recipe.diskimage
    chosen = {**recipe.environment, **diskimage.env_vars}
    if diskimage.release:
        chosen.setdefault("DIB_RELEASE", diskimage.release)
    apt_settings = apt.settings()
    found = {
        **_own(),
        "NODEPOOL_USERNAME": diskimage.username,
        "NODEPOOL_APT_CONF": apt.unchecked(apt_settings),
        "DIB_DEBOOTSTRAP_CACHE": "1",
        "DIB_DEBIAN_USE_DEBOOTSTRAP_CACHE": "1",
    }
    if proxy := apt_settings.get("Acquire::http::Proxy"):
        found.setdefault("http_proxy", proxy)
    if certificates := _local_cas(recipe.work_dir):
        found["NODEPOOL_CA_FILE"] = str(certificates)
    if _DEBIAN_ELEMENTS & set(diskimage.elements):
        archives = apt.sources()
        found.update(apt.mirrors(archives, apt.codename(), chosen.get("DIB_RELEASE", ""), chosen))
    said = {**found, **chosen}
    if said.get("DIB_DISTRIBUTION_MIRROR", "").startswith("https:"):
        for tool in ("DEBOOTSTRAP", "MMDEBSTRAP"):
            said.setdefault(f"DIB_{tool}_EXTRA_ARGS", "--include=ca-certificates")
    temporary = recipe.work_dir / "tmp"
    return {
        **said,
        "PATH": os.pathsep.join(search_path(host_tools)),
        "ELEMENTS_PATH": os.pathsep.join(str(each) for each in (*recipe.elements_path, OWN_ELEMENTS)),
        "DIB_IMAGE_CACHE": str(cache),
        "DIB_LOCKFILES": str(recipe.work_dir / "locks"),
        "DIB_NO_TMPFS": "1",
        "DIB_CHECKSUM": "0",
        "TMP_DIR": str(temporary),
        "TMPDIR": str(temporary),
    }


def search_path(host_tools: Iterable[Path] = ()) -> tuple[str, ...]:
    """Return where programs are looked for: stand-ins, our own virtual environment, the system, the caller's PATH."""
    inherited = os.environ.get("PATH", "").split(os.pathsep)
    ours = (*map(str, host_tools), str(Path(sys.executable).parent), *_SYSTEM_PATH, *inherited)
    return tuple(dict.fromkeys(each for each in ours if each))


def cache_key(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return what must be equal for two builds to share what they downloaded."""
    names = (
        "DIB_RELEASE",
        "ARCH",
        "DIB_DISTRIBUTION_MIRROR",
        "DIB_DEBIAN_DISTRIBUTION_MIRROR",
        "DIB_DEBIAN_COMPONENTS",
    )
    return tuple(f"{name}={variables.get(name, '')}" for name in names)


def _own() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {"HOME": str(Path("~root").expanduser()), "LANG": "C.UTF-8", **kept}


def _local_cas(work_dir: Path) -> Path | None:
    """Gather the certificate authorities that this host's administrator added; return the file, None without any."""
    certificates = [
        file.read_text()
        for directory, pattern in _LOCAL_CAS
        for file in sorted(directory.glob(pattern))
        if file.is_file() and "BEGIN CERTIFICATE" in file.read_text(errors="replace")
    ]
    if not certificates:
        return None
    gathered = work_dir / "local-ca.pem"
    gathered.write_text("\n".join(each.strip() for each in certificates) + "\n")
    return gathered
