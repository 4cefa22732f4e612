"""MariaDB on a socket, made for speed: what it holds is lost with the cloud anyway."""

import shutil
import subprocess
from pathlib import Path

from .place import CloudError, Place
from .process import Service, run

SCHEMAS = ("keystone", "glance", "placement", "nova_api", "nova", "nova_cell0", "neutron")


def service(place: Place) -> Service:
    """Return MariaDB."""
    command = (
        "mariadbd", "--no-defaults", "--user=root", f"--datadir={place.data / 'mariadb'}",
        f"--socket={place.database_socket}", f"--pid-file={place.run / 'mariadb.pid'}", "--skip-networking",
        "--innodb-flush-method=nosync", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0",
        "--innodb-buffer-pool-size=384M", "--innodb-log-file-size=64M", "--performance-schema=off",
        "--max-connections=1000", "--character-set-server=utf8mb3", "--collation-server=utf8mb3_general_ci",
        "--skip-name-resolve",
    )  # fmt: skip
    return Service("mariadb", command, lambda: _query(place, "SELECT 1") is not None)


def installed(place: Place) -> bool:
    """Whether there is a data directory."""
    return (place.data / "mariadb").exists()


def install(place: Place) -> None:
    """Make an empty data directory."""
    data = place.data / "mariadb"
    run(
        ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db",
         "--auth-root-authentication-method=normal"],
        place.log / "mariadb-install.log",
    )  # fmt: skip


def create_schemas(place: Place) -> None:
    """Create the empty databases of all services."""
    for schema in SCHEMAS:
        if _query(place, f"CREATE DATABASE IF NOT EXISTS {schema}") is None:
            raise CloudError(f"MariaDB does not create the database {schema}; see {place.log / 'mariadb.log'}")


def copy(place: Place, target: Path) -> None:
    """Make a data directory from the one in use, ready to be started with."""
    log = place.log / "mariadb-backup.log"
    target.mkdir(parents=True)
    run(["mariadb-backup", "--no-defaults", "--backup", f"--target-dir={target}", *_login(place)], log)
    run(["mariadb-backup", "--no-defaults", "--prepare", f"--target-dir={target}"], log)


def restore(place: Place, source: Path) -> None:
    """Use a data directory that `copy` made."""
    shutil.copytree(source, place.data / "mariadb")


def _query(place: Place, statement: str) -> str | None:
    done = subprocess.run(
        ["mariadb", "--no-defaults", *_login(place), "-e", statement],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False,
    )  # fmt: skip
    return None if done.returncode else done.stdout


def _login(place: Place) -> list[str]:
    return ["--user=root", f"--socket={place.database_socket}"]
