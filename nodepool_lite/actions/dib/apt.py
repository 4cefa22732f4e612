"""What this host's apt says: where packages come from, through which proxy, and what it does not insist on.

Images get their packages from where the host gets its own, so a build works wherever `apt-get install` does.
Formats: sources.list(5), one-line and deb822 style.
"""

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ETC_APT = Path("/etc/apt")
OS_RELEASE = Path("/etc/os-release")

_MIRRORS = ("DIB_DISTRIBUTION_MIRROR", "DIB_DEBIAN_DISTRIBUTION_MIRROR")
_ROLLING = {"testing", "unstable", "sid"}
_UNCHECKED = ("Acquire::Check-Valid-Until", "Acquire::Check-Date")


@dataclass(frozen=True)
class Source:
    """One archive: a base address and the suites and components taken from it."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]


def sources(etc_apt: Path = ETC_APT) -> tuple[Source, ...]:
    """Return the binary package archives of the host, in the order in which apt reads them."""
    found: list[Source] = []
    for file in (etc_apt / "sources.list", *sorted((etc_apt / "sources.list.d").glob("*"))):
        if file.is_file() and file.suffix == ".list":
            found += _one_line_style(file.read_text())
        elif file.is_file() and file.suffix == ".sources":
            found += _deb822_style(file.read_text())
    return tuple(each for each in found if each.uri.startswith(("http:", "https:")))


def mirrors(archives: tuple[Source, ...], codename: str, release: str, chosen: Mapping[str, str]) -> dict[str, str]:
    """Return DIB's variables that make a Debian `release` come from the archives of a host that runs `codename`.

    A variable that is in `chosen` is left alone, and the list of sources is left to DIB when a mirror was chosen.
    """
    main = _archive(archives, codename)
    if main is None:
        return {}
    security = _archive(archives, f"{codename}-security")
    found: dict[str, str] = {}
    if not any(name in chosen for name in _MIRRORS):
        found["DIB_DISTRIBUTION_MIRROR"] = main.uri
        found["DIB_APT_SOURCES_CONF"] = _sources_conf(archives, codename, release or "stable", main)
    if security is not None:
        found["DIB_DEBIAN_SECURITY_MIRROR"] = security.uri
        if "DIB_DEBIAN_SECURITY_MIRROR" in chosen:
            found.pop("DIB_APT_SOURCES_CONF", None)
    return {name: value for name, value in found.items() if name not in chosen}


def settings() -> dict[str, str]:
    """Return apt's effective settings (`Acquire::http::Proxy` -> its value); empty on a host without apt."""
    try:
        dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return {}
    return dict(re.findall(r'^(\S+) "(.*)";$', dump, re.MULTILINE))


def unchecked(apt: Mapping[str, str]) -> str:
    """Return, as apt.conf lines, the checks of dates that this host's apt leaves out for its archives."""
    return "".join(f'{name} "false";\n' for name in _UNCHECKED if apt.get(name, "").lower() in {"false", "no", "0"})


def codename(os_release: Path = OS_RELEASE) -> str:
    """Return the code name of the Debian that this host runs, or nothing."""
    try:
        fields = dict(re.findall(r'^(\w+)="?(.*?)"?$', os_release.read_text(), re.MULTILINE))
    except FileNotFoundError:
        return ""
    return fields.get("VERSION_CODENAME", "") if fields.get("ID") == "debian" else ""


def _archive(archives: tuple[Source, ...], suite: str) -> Source | None:
    """Return the archive that offers `suite`: the distribution's own, told from others by offering its updates too."""
    offered = [each for each in archives if suite in each.suites and "main" in each.components]
    updated = {each.uri for each in archives if f"{suite}-updates" in each.suites}
    return next((each for each in offered if each.uri in updated), next(iter(offered), None))


def _sources_conf(archives: tuple[Source, ...], host: str, release: str, main: Source) -> str:
    """Return DIB_APT_SOURCES_CONF: what the host takes (updates, security), for `release`."""
    components = " ".join(main.components)
    lines = [f"default:deb {main.uri} {release} {components}"]
    if release not in _ROLLING:
        for name in ("updates", "security"):
            archive = _archive(archives, f"{host}-{name}")
            if archive is not None:
                lines.append(f"{name}:deb {archive.uri} {release}-{name} {' '.join(archive.components)}")
    return "\n".join(lines)


def _one_line_style(text: str) -> Iterator[Source]:
    for line in text.splitlines():
        found = re.match(r"\s*deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+([^#]+)", line)
        if found:
            yield Source(found[1].rstrip("/"), (found[2],), tuple(found[3].split()))


def _deb822_style(text: str) -> Iterator[Source]:
    without_comments = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", without_comments):
        fields = {
            name.lower(): value.split()
            for name, value in re.findall(r"^([A-Za-z-]+):((?:.*)(?:\n[ \t].*)*)", stanza, re.MULTILINE)
        }
        if "deb" not in fields.get("types", ()) or fields.get("enabled", ["yes"])[0].lower() in {"no", "false"}:
            continue
        for uri in fields.get("uris", ()):
            yield Source(uri.rstrip("/"), tuple(fields.get("suites", ())), tuple(fields.get("components", ())))
