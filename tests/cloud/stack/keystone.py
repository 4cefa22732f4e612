"""Keystone: identity."""

import base64
import os

from . import ini
from .place import KEYSTONE, REGION, Place, url
from .process import Service, run
from .wsgi import wsgi


def configure(place: Place) -> None:
    """Write its configuration and make its keys (what `keystone-manage fernet_setup` does, without its seconds)."""
    keys = place.data / "keystone"
    for repository in ("fernet-keys", "credential-keys"):
        (keys / repository).mkdir(parents=True, mode=0o700, exist_ok=True)
        for number in "01":
            key = keys / repository / number
            if not key.exists():
                key.write_bytes(base64.urlsafe_b64encode(os.urandom(32)))
    ini.write(
        place.etc / "keystone" / "keystone.conf",
        {
            "DEFAULT": {"use_stderr": True},
            "database": ini.database(place, "keystone"),
            "identity": {"password_hash_rounds": 4},
            "token": {"provider": "fernet", "expiration": 86400},
            "fernet_tokens": {"key_repository": keys / "fernet-keys"},
            "fernet_receipts": {"key_repository": keys / "fernet-keys"},
            "credential": {"key_repository": keys / "credential-keys"},
            "cache": ini.CACHE,
            "oslo_messaging_notifications": {"driver": "noop"},
        },
    )


def create_tables(place: Place) -> None:
    """Fill the empty database, with the administrator and Keystone's own place in the catalogue."""
    log = place.log / "create-tables.log"
    manage = ["keystone-manage", "--config-file", str(place.etc / "keystone" / "keystone.conf")]
    run([*manage, "db_sync"], log)
    addresses = [f"--bootstrap-{interface}-url" for interface in ("admin", "internal", "public")]
    run(
        [
            *manage,
            "bootstrap",
            "--bootstrap-region-id",
            REGION,
            *(f"{name}={url(KEYSTONE, '/v3/')}" for name in addresses),
        ],
        log,
        OS_BOOTSTRAP_PASSWORD=place.password("admin"),
    )


def service(place: Place) -> Service:
    """Return Keystone."""
    config = str(place.etc / "keystone" / "keystone.conf")
    return wsgi(
        "keystone", KEYSTONE, "/usr/bin/keystone-wsgi-public", ("mariadb", "memcached"), OS_KEYSTONE_CONFIG_FILES=config
    )
