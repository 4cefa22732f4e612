"""Glance: images in files."""

from pathlib import Path

from . import ini
from .place import API, GLANCE, Place, url
from .process import Service, answers_http, run


def configure(place: Place) -> None:
    """Write its configuration."""
    files = place.data / "glance"
    images(place).mkdir(parents=True, exist_ok=True)
    ini.write(
        place.etc / "glance" / "glance-api.conf",
        {
            "DEFAULT": {
                "use_stderr": True,
                "bind_host": API,
                "bind_port": GLANCE,
                "workers": 1,
                "enabled_backends": "file:file",
                "worker_self_reference_url": url(GLANCE),
            },
            "database": ini.database(place, "glance"),
            "glance_store": {"default_backend": "file"},
            "file": {"filesystem_store_datadir": images(place)},
            "os_glance_staging_store": {"filesystem_store_datadir": files / "staging"},
            "os_glance_tasks_store": {"filesystem_store_datadir": files / "tasks"},
            "paste_deploy": {"flavor": "keystone", "config_file": "/usr/share/glance-common/glance-api-paste.ini"},
            "keystone_authtoken": ini.token_check(place, "glance"),
            "oslo_concurrency": {"lock_path": place.run / "locks"},
        },
    )


def images(place: Place) -> Path:
    """Return the directory of the images' files."""
    return place.data / "glance" / "images"


def create_tables(place: Place) -> None:
    """Fill the empty database."""
    run(["glance-manage", *_config(place), "db_sync"], place.log / "create-tables.log")


def service(place: Place) -> Service:
    """Return Glance's API: a process of its own, because uWSGI does not take uploads in chunks."""
    command = ("glance-api", *_config(place))
    return Service("glance", command, lambda: answers_http(GLANCE, "/healthcheck"), after=("keystone",))


def _config(place: Place) -> tuple[str, str]:
    return ("--config-file", str(place.etc / "glance" / "glance-api.conf"))
