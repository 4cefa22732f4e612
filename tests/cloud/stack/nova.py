"""Nova: the API, the conductor and the scheduler. The hypervisors have modules of their own."""

import shutil
from pathlib import Path

from . import ini
from .messages import heard
from .place import API, GLANCE, NEUTRON, NOVA, Place, url
from .process import Service, run
from .wsgi import wsgi

API_PROCESSES = 2
"""One to list servers while the other waits for Neutron, as any real cloud can."""


def configure(place: Place) -> None:
    """Write the configuration that all of Nova's services share."""
    state = place.data / "nova"
    (state / "instances").mkdir(parents=True, exist_ok=True)
    directory = place.etc / "nova"
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copy("/usr/share/nova-common/api-paste.ini", directory)
    ini.write(
        directory / "nova.conf",
        {
            "DEFAULT": {**_general(state), **_pace(), **_room()},
            "database": ini.database(place, "nova"),
            "api_database": ini.database(place, "nova_api"),
            "api": {"max_limit": 1000, "list_records_by_skipping_down_cells": True},
            "quota": {"recheck_quota": False},
            "conductor": {"workers": 1},
            "scheduler": {"workers": 1, "discover_hosts_in_cells_interval": 60, "max_placement_results": 10},
            "filter_scheduler": {"track_instance_changes": False},
            "glance": {"api_servers": url(GLANCE)},
            "placement": ini.login(place, "placement"),
            "neutron": {**ini.login(place, "neutron"), "endpoint_override": url(NEUTRON)},
            "service_user": {**ini.login(place, "nova"), "send_service_user_token": True},
            "keystone_authtoken": ini.token_check(place, "nova"),
            "cache": ini.CACHE,
            "vnc": {"enabled": False},
            "oslo_concurrency": {"lock_path": place.run / "locks"},
            "oslo_messaging_notifications": {"driver": "noop"},
            "privsep": {"helper_command": "privsep-helper"},
        },
    )


def _general(state: Path) -> dict[str, object]:
    return {
        "use_stderr": True,
        "my_ip": API,
        "transport_url": ini.RABBIT,
        "rpc_response_timeout": 180,
        "state_path": state,
        "instances_path": state / "instances",
        "osapi_compute_listen": API,
        "rootwrap_config": "/etc/nova/rootwrap.conf",
        "default_schedule_zone": "fake",
    }


def _pace() -> dict[str, object]:
    """Return what keeps a cloud at rest quiet, and hundreds of creates possible."""
    return {
        "max_concurrent_builds": 40,
        "block_device_allocate_retries_interval": 1,
        "report_interval": 10,
        "service_down_time": 120,
        # A fake hypervisor that was restarted has forgotten its servers: do not let Nova stop them.
        "sync_power_state_interval": -1,
        "volume_usage_poll_interval": 0,
        "rpc_workers": 1,
    }


def _room() -> dict[str, object]:
    return {
        "reserved_host_memory_mb": 0,
        "reserved_host_disk_mb": 0,
        "initial_disk_allocation_ratio": 10.0,
        "initial_ram_allocation_ratio": 1.5,
        "initial_cpu_allocation_ratio": 16.0,
    }


def create_tables(place: Place) -> None:
    """Fill the empty databases, with the one cell that holds all servers and the one for those that no host took."""
    manage = ["nova-manage", "--config-file", str(place.etc / "nova" / "nova.conf")]
    log = place.log / "create-tables.log"
    run([*manage, "api_db", "sync"], log)
    cell0 = ini.connection(place, "nova_cell0")
    run([*manage, "cell_v2", "map_cell0", "--database_connection", cell0], log)
    run([*manage, "db", "sync"], log)
    run([*manage, "cell_v2", "create_cell", "--name", "cell1"], log)


def discover_hosts(place: Place) -> None:
    """Let the cell know the hypervisors that reported since."""
    manage = ["nova-manage", "--config-file", str(place.etc / "nova" / "nova.conf")]
    run([*manage, "cell_v2", "discover_hosts"], place.log / "create-tables.log")


def api(place: Place) -> Service:
    """Return Nova's API."""
    script, config = "/usr/bin/nova-api-wsgi", str(place.etc / "nova")
    return wsgi("nova-api", NOVA, script, ("keystone",), API_PROCESSES, OS_NOVA_CONFIG_DIR=config)


def workers(place: Place) -> list[Service]:
    """Return the conductor and the scheduler."""
    config = ("--config-file", str(place.etc / "nova" / "nova.conf"))
    # They log in as they start, and end when they cannot.
    after = ("rabbitmq", "keystone", "placement")
    return [
        Service("nova-conductor", ("nova-conductor", *config), lambda: heard("conductor"), after=after),
        Service("nova-scheduler", ("nova-scheduler", *config), lambda: heard("scheduler"), after=after),
    ]
