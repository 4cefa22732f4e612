"""What happens in the cloud's namespaces: services are started in their order, waited for, stopped, looked at."""

import signal
import subprocess
import sys

from keystoneauth1.exceptions import ClientException

from . import (
    database,
    fake_hypervisor,
    glance,
    keystone,
    messages,
    neutron,
    nova,
    placement,
    pulse,
    qemu_hypervisor,
    surroundings,
)
from .admin import Admin
from .filling import Filling
from .place import CloudError, Mode, Place
from .process import Service, Services
from .say import say


class Cloud:
    """All services of one cloud."""

    def __init__(self, place: Place, mode: Mode) -> None:
        self._place = place
        self._mode = mode
        self._services = Services(place)
        self._mariadb = database.service(place)
        self._helpers = [messages.rabbitmq(place), messages.memcached()]
        self._logins = [keystone.service(place), placement.service(place)]
        self._conductor, self._scheduler = nova.workers(place)
        self._neutron = neutron.service(place)
        self._apis = [glance.service(place), nova.api(place)]
        self._computes = [fake_hypervisor.service(place)]
        self._agents: list[Service] = []
        if mode is Mode.FULL:
            self._helpers.append(qemu_hypervisor.libvirt(place))
            self._computes.append(qemu_hypervisor.service(place))
            self._agents = neutron.agents(place)

    @property
    def all(self) -> list[Service]:
        """Return every service, in the order of their start."""
        lasting = [*self._logins, self._neutron, *self._apis, self._conductor, self._scheduler]
        return [self._mariadb, *self._helpers, *lasting, *self._computes, *self._agents]

    def up(self) -> None:
        """Bring up what does not run: at first everything."""
        self._prepare()
        filling = Filling(self._place, self._mode)
        self._start(*self._helpers)
        if not database.installed(self._place):
            filling.read_copy()
        self._start(self._mariadb)
        self._wait(self._mariadb)
        filling.make_tables()
        self._start(*self._logins, self._neutron, *self._apis)
        self._wait(*self._logins)
        admin = Admin(self._place)
        filling.make_people(admin)
        self._wait(*self._helpers)
        # These log in as they start, and end when they cannot.
        self._start(self._conductor, self._scheduler)
        # What computes and agents say before somebody listens, they say again only after minutes.
        self._wait(self._conductor)
        self._start(*self._computes)
        self._wait(self._neutron)
        self._start(*self._agents)
        self._wait(*self.all)
        say("all services answer")
        self._wait_for_pulse(admin, self.all)
        say("hypervisors and agents report")
        filling.make_offers(admin)

    def change(self, action: str, name: str) -> None:
        """Do `stop`, `kill`, `start` or `restart` to one service; return when it is gone or works."""
        found = [service for service in self.all if service.name == name]
        if not found:
            raise CloudError(f"{name}: no such service; there are {', '.join(service.name for service in self.all)}")
        if action != "start":
            self._services.stop(name, signal.SIGKILL if action == "kill" else signal.SIGTERM)
        if action in ("start", "restart"):
            self._start(*found)
            self._wait(*found)
            self._wait_for_pulse(Admin(self._place), found)

    def show(self) -> bool:
        """Write a line for each service to stdout; return whether all of them run and answer."""
        complete = True
        for service in self.all:
            process = self._services.process(service.name)
            state = "down" if process is None else "answers" if service.answers() else "silent"
            complete = complete and state == "answers"
            memory = _memory(process.pid) if process else 0
            sys.stdout.write(f"{service.name:<28} {state:<8} {memory:>6} MiB\n")
        return complete

    def _prepare(self) -> None:
        surroundings.prepare(self._place)
        for part in (keystone, glance, placement, nova, neutron, fake_hypervisor):
            part.configure(self._place)
        if self._mode is Mode.FULL:
            qemu_hypervisor.configure(self._place)

    def _start(self, *services: Service) -> None:
        for service in services:
            self._services.start(service)

    def _wait(self, *services: Service) -> None:
        for service in services:
            self._services.wait(service)

    def _wait_for_pulse(self, admin: Admin, services: list[Service]) -> None:
        names = {service.name for service in services}
        computes = {"nova-compute-fake": fake_hypervisor.HOST, "nova-compute-qemu": qemu_hypervisor.HOST}
        pulse.wait(
            admin,
            self._services,
            {name: host for name, host in computes.items() if name in names},
            [name for name in neutron.AGENTS if name in names],
        )


def _memory(session: int) -> int:
    """Return the MiB that all processes of a session use; what they share is counted for each."""
    listed = subprocess.run(["ps", "-o", "rss=", "-s", str(session)], stdout=subprocess.PIPE, text=True, check=False)
    return sum(int(word) for word in listed.stdout.split()) // 1024


def run(place: Place, words: list[str]) -> int:
    """Do `up MODE`, `service MODE ACTION NAME` or `status MODE`; return the exit status."""
    what, mode, *rest = words
    cloud = Cloud(place, Mode(mode))
    try:
        match what:
            case "up":
                cloud.up()
            case "service":
                cloud.change(*rest)
            case "status":
                return 0 if cloud.show() else 1
    except ClientException as problem:
        raise CloudError(f"{problem}; see {place.log}") from problem
    return 0
