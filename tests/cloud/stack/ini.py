"""Configuration files of OpenStack's services, and the sections that several of them share."""

from collections.abc import Mapping
from pathlib import Path

from .place import KEYSTONE, REGION, Place, url

Sections = Mapping[str, Mapping[str, object]]

RABBIT = "rabbit://guest:guest@127.0.0.1:5672/"
CACHE = {
    "enabled": True,
    "backend": "dogpile.cache.pymemcache",
    "memcache_servers": "127.0.0.1:11211",
}


def write(file: Path, sections: Sections) -> Path:
    """Write an INI file and return its path."""
    text = ""
    for name, options in sections.items():
        text += f"[{name}]\n" + "".join(f"{key} = {_value(value)}\n" for key, value in options.items()) + "\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def database(place: Place, name: str) -> dict[str, object]:
    """Return the section [database] for the schema of that name."""
    return {"connection": connection(place, name), "max_pool_size": 10, "max_overflow": 40}


def connection(place: Place, name: str) -> str:
    """Return SQLAlchemy's address of a schema; the socket lies in a directory for the owner alone."""
    return f"mysql+pymysql://root:@localhost/{name}?unix_socket={place.database_socket}&charset=utf8"


def login(place: Place, user: str) -> dict[str, object]:
    """Return the options with which a service logs in at Keystone as its own user."""
    return {
        "auth_url": url(KEYSTONE),
        "auth_type": "password",
        "project_domain_name": "Default",
        "user_domain_name": "Default",
        "project_name": "service",
        "username": user,
        "password": place.password(user),
        "region_name": REGION,
    }


def token_check(place: Place, user: str) -> dict[str, object]:
    """Return the section [keystone_authtoken]: how a service checks its callers' tokens."""
    return {
        **login(place, user),
        "www_authenticate_uri": url(KEYSTONE),
        "memcached_servers": "127.0.0.1:11211",
        "service_token_roles_required": True,
    }
