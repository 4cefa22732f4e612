"""Where the entry of clouds.yaml is found, and what it says: the way to one region of one cloud."""

import logging
import os
import warnings
from collections.abc import Mapping
from pathlib import Path

import yaml
from keystoneauth1.exceptions import ClientException
from keystoneauth1.session import Session
from openstack import exceptions
from openstack.config import OpenStackConfig
from openstack.config.cloud_region import CloudRegion
from openstack.warnings import ConfigurationWarning

from nodepool_lite.clouds.openstack.errors import brief, without_user
from nodepool_lite.model.errors import BadRequestError

_MALFORMED = (
    exceptions.SDKException,
    ClientException,
    ConfigurationWarning,
    OSError,
    yaml.YAMLError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
)
"""What openstacksdk raises of an entry that is not in the form that it expects."""
_NAMES = ("clouds.yaml", "clouds.yml", "clouds.json")
_SECURE = ("secure.yaml", "secure.yml", "secure.json")


def find(cloud: str, beside: Path | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the first clouds.yaml that has an entry `cloud`.

    Looked at, in this order: $OS_CLIENT_CONFIG_FILE, systemd's $CREDENTIALS_DIRECTORY, `beside` (the directory of
    our configuration), and then where openstacksdk looks, too: the working directory, ~/.config/openstack (also as
    $XDG_CONFIG_HOME has it), /etc/xdg/openstack (or $XDG_CONFIG_DIRS), /etc/openstack.

    Raises:
        BadRequestError: there is none; the message names the files and the entries that there are.
    """
    known: dict[Path, list[str]] = {}
    for path in _candidates(beside, environ):
        names = _entries(path)
        if names is not None:
            known[path] = names
            if cloud in names:
                return path
    if not known:
        places = ", ".join(str(each) for each in _directories(beside, environ))
        raise BadRequestError(f"there is no clouds.yaml that this user can read; put one into {places}")
    seen = "; ".join(f"{path} has {', '.join(names) or 'none'}" for path, names in known.items())
    raise BadRequestError(f"clouds.yaml has no entry `{cloud}`: {seen}")


def opened(cloud: str, name: str, file: Path) -> tuple[CloudRegion, Session]:
    """Return the region `name` (empty: the entry's own) of an entry of clouds.yaml, and a session that logs in there.

    secure.yaml lies on top. Nothing is sent yet.

    Raises:
        BadRequestError: the entry cannot be used.
    """
    for library in ("keystoneauth", "openstack.config"):
        logging.getLogger(library).setLevel(logging.CRITICAL)  # what fails there is told by us
    warnings.filterwarnings("ignore", category=ConfigurationWarning)
    warnings.filterwarnings("error", "Couldn't find the vendor profile", ConfigurationWarning)
    places = [file.parent, *_directories(None, os.environ)]
    secure = [os.environ.get("OS_CLIENT_SECURE_FILE", ""), *(str(each / name) for each in places for name in _SECURE)]
    for each in filter(None, secure):
        _entries(Path(each))  # the library would pass over one that is no YAML
    try:
        config = OpenStackConfig(
            config_files=[str(file)],
            secure_files=[each for each in secure if each],
            load_envvars=False,
            app_name="nodepool-lite",
        )
        _check_form(config.cloud_config["clouds"].get(cloud))
        found = config.get_one(cloud=cloud, region_name=name or None)
        _check_url(found)
        return found, found.get_session()
    except _MALFORMED as error:
        raise BadRequestError(f"{file}: the entry `{cloud}` cannot be used: {brief(str(error))}") from error


def _check_form(entry: object) -> None:
    if not isinstance(entry, dict):
        what = "a list" if isinstance(entry, list) else "nothing" if entry is None else "a text or number"
        raise TypeError(f"expected a mapping with `auth`, `region_name` and others, not {what}")


def _check_url(found: CloudRegion) -> None:
    url = str(found.config.get("auth", {}).get("auth_url") or "http://")
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"auth_url `{without_user(url)}` does not begin with http:// or https://")


def _directories(beside: Path | None, environ: Mapping[str, str]) -> list[Path]:
    given = [Path(environ["CREDENTIALS_DIRECTORY"])] if environ.get("CREDENTIALS_DIRECTORY") else []
    own = [] if beside is None else [beside]
    user = Path.home() / ".config"
    homes = [Path(environ.get("XDG_CONFIG_HOME") or user), user]
    sites = [*map(Path, (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")), Path("/etc")]
    return [*given, *own, Path.cwd(), *dict.fromkeys(each / "openstack" for each in (*homes, *sites))]


def _candidates(beside: Path | None, environ: Mapping[str, str]) -> list[Path]:
    explicit = [Path(environ["OS_CLIENT_CONFIG_FILE"])] if environ.get("OS_CLIENT_CONFIG_FILE") else []
    return [*explicit, *(place / name for place in _directories(beside, environ) for name in _NAMES)]


def _entries(path: Path) -> list[str] | None:
    """Return the names of a file's entries; None when it is not there or cannot be read."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError:
        return None
    except (yaml.YAMLError, ValueError) as error:  # the latter of bytes that are no text, and of dates that are none
        raise BadRequestError(f"{path} is no YAML{_where_and_why(error)}") from error
    clouds = content.get("clouds") if isinstance(content, dict) else None
    return [str(name) for name in clouds] if isinstance(clouds, dict) else []


def _where_and_why(error: yaml.YAMLError | ValueError) -> str:
    """Return what is wrong with a file, and where, without what stands there: it may be a password."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return ": it holds a character or a date that is none; put values into quotes"
    why = error.problem or ""
    quoted = next((word for word in ("alias", "tag") if word in why), None)
    if quoted:
        why = f"{why.partition(quoted)[0]}{quoted}"
    place = error.problem_mark or error.context_mark
    where = f" at line {place.line + 1}, column {place.column + 1}" if place else ""
    return f"{where}: {why}"
