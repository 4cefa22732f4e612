"""What the databases hold: tables, people, and what the cloud offers; made once, and copied at later starts."""

import hashlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import database, glance, keystone, neutron, nova, packages, people, placement, resources
from .admin import Admin
from .place import Mode, Place
from .say import say


class Filling:
    """The content of one cloud's databases, and the copy of it in the cache.

    The copy is of use as long as neither the packages nor this code changed.
    """

    def __init__(self, place: Place, mode: Mode) -> None:
        self._place = place
        self._mode = mode
        code = "".join(file.read_text() for file in sorted(Path(__file__).parent.glob("*.py")))
        key = hashlib.sha256((packages.versions() + code).encode()).hexdigest()[:16]
        self._copy = place.cache / f"{mode}-{key}"

    def read_copy(self) -> None:
        """Give MariaDB, before it starts, the copy that there is, or nothing but an empty directory."""
        if not self._copy.exists():
            database.install(self._place)
            return
        database.restore(self._place, self._copy / "mariadb")
        shutil.copytree(self._copy / "images", glance.images(self._place), dirs_exist_ok=True)
        self._mark(self._mode).touch()
        say("databases copied")

    def make_tables(self) -> None:
        """Fill empty databases with tables."""
        if self._holds_anything():
            return
        say("creating all tables; later starts find a copy")
        database.create_schemas(self._place)
        with ThreadPoolExecutor(max_workers=2) as two:
            # Neutron's take as long as all others together.
            for lane in (two.submit(self._create_others), two.submit(neutron.create_tables, self._place)):
                lane.result()
        say("tables made")

    def make_people(self, admin: Admin) -> None:
        """Add projects, users and the catalogue, which services need before they start."""
        if self._holds_anything():
            return
        people.fill_catalogue(admin)
        people.create_accounts(self._place, admin)
        say("people and catalogue made")

    def make_offers(self, admin: Admin) -> None:
        """Add what a cloud of this kind offers, once its hypervisors have reported; keep a copy of a first filling."""
        if self._mark(self._mode).exists():
            return
        first = not self._holds_anything()
        nova.discover_hosts(self._place)
        resources.create(admin, self._mode)
        people.limit(admin)
        say("zones, flavors, networks, quotas made")
        if first:
            self._keep()
        self._mark(self._mode).touch()

    def _create_others(self) -> None:
        for part in (keystone, placement, glance, nova):
            part.create_tables(self._place)

    def _holds_anything(self) -> bool:
        return any(self._mark(mode).exists() for mode in Mode)

    def _mark(self, mode: Mode) -> Path:
        """Return the file that is there when the databases hold all that a cloud of this kind offers."""
        return self._place.data / f"holds-{mode}"

    def _keep(self) -> None:
        for old in self._place.cache.glob(f"{self._mode}-*"):
            shutil.rmtree(old)
        part = self._copy.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        database.copy(self._place, part / "mariadb")
        shutil.copytree(glance.images(self._place), part / "images")
        part.rename(self._copy)
        say("copy kept for the next start")
