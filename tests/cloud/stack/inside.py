"""What happens in the cloud's namespaces: services are started in their order, waited for, stopped, looked at."""

import signal
import subprocess
import sys
from dataclasses import replace

from keystoneauth1.exceptions import ClientException

from . import (
    database,
    fake_hypervisor,
    glance,
    keystone,
    messages,
    neutron,
    nova,
    people,
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
    """All services of one cloud, each after those that it needs."""

    def __init__(self, place: Place, mode: Mode) -> None:
        self._place = place
        self._mode = mode
        self._services = Services(place)
        self.all = [
            database.service(place),
            messages.rabbitmq(place),
            messages.memcached(),
            keystone.service(place),
            placement.service(place),
            neutron.service(place),
            glance.service(place),
            nova.api(place),
            *nova.workers(place),
            fake_hypervisor.service(place),
        ]
        if mode is Mode.FULL:
            self.all += [qemu_hypervisor.libvirt(place), qemu_hypervisor.service(place), *neutron.agents(place)]

    def up(self) -> None:
        """Bring up what does not run: at first everything."""
        self._prepare()
        filling = Filling(self._place, self._mode)
        if not database.installed(self._place):
            filling.read_copy()
        fill = {"mariadb": filling.make_tables, "keystone": lambda: filling.make_people(Admin(self._place))}
        self._services.start_all(replace(service, then=fill.get(service.name)) for service in self.all)
        say("all services answer")
        admin = Admin(self._place)
        self._wait_for_pulse(admin, self.all)
        say("hypervisors and agents report")
        filling.make_offers(admin)
        people.write_clouds_yaml(self._place)

    def change(self, action: str, name: str) -> None:
        """Do `stop`, `kill`, `start` or `restart` to one service; return when it is gone or works."""
        found = [service for service in self.all if service.name == name]
        if not found:
            raise CloudError(f"{name}: no such service; there are {', '.join(service.name for service in self.all)}")
        if action != "start":
            self._services.stop(name, signal.SIGKILL if action == "kill" else signal.SIGTERM)
        if action in ("start", "restart"):
            self._services.start_all(replace(service, after=()) for service in found)
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
