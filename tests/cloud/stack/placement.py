"""Placement: what hypervisors have left."""

from . import ini
from .place import PLACEMENT, Place
from .process import Service, run
from .wsgi import wsgi


def configure(place: Place) -> None:
    """Write its configuration."""
    ini.write(
        place.etc / "placement" / "placement.conf",
        {
            "DEFAULT": {"use_stderr": True},
            "api": {"auth_strategy": "keystone"},
            "placement_database": ini.database(place, "placement"),
            "keystone_authtoken": ini.token_check(place, "placement"),
        },
    )


def create_tables(place: Place) -> None:
    """Fill the empty database."""
    config = str(place.etc / "placement" / "placement.conf")
    run(["placement-manage", "--config-file", config, "db", "sync"], place.log / "create-tables.log")


def service(place: Place) -> Service:
    """Return Placement."""
    directory = str(place.etc / "placement")
    return wsgi("placement", PLACEMENT, "/usr/bin/placement-api", ("mariadb",), OS_PLACEMENT_CONFIG_DIR=directory)
