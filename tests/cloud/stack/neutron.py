"""Neutron: the server, and with true machines the agents that make bridges, DHCP and routers."""

from pathlib import Path

from . import ini
from .messages import heard
from .place import API, NEUTRON, PROVIDER_WIRE, PUBLIC_WIRE, Place
from .process import Service, answers_http, run
from .qemu_hypervisor import HOST

PLUGINS = Path(__file__).parent / "plugins"
AGENTS = ("neutron-linuxbridge-agent", "neutron-dhcp-agent", "neutron-l3-agent")
QUEUES = ("q-plugin", "q-l3-plugin", "q-reports-plugin")
"""Where agents send their calls; one that is sent too early costs minutes."""
AS_ROOT = "env"
"""What agents put before commands that need root: nothing, they are root."""


def configure(place: Place) -> None:
    """Write the configuration that the server and all agents share."""
    state = place.data / "neutron"
    state.mkdir(parents=True, exist_ok=True)
    # Another user could not read what the agent writes below a directory that is ours alone.
    dnsmasq = place.etc / "dnsmasq.conf"
    dnsmasq.write_text(f"user=root\ngroup=root\nlog-facility={place.log / 'dnsmasq.log'}\n")
    ini.write(
        place.etc / "neutron.conf",
        {
            "DEFAULT": {**_general(state), **_pace(), "dnsmasq_config_file": dnsmasq},
            "database": ini.database(place, "neutron"),
            "nova": ini.login(place, "nova"),
            "keystone_authtoken": ini.token_check(place, "neutron"),
            "placement": ini.login(place, "placement"),
            "oslo_concurrency": {"lock_path": place.run / "locks"},
            "oslo_messaging_notifications": {"driver": "noop"},
            "agent": {"root_helper": AS_ROOT, "use_helper_for_ns_read": False, "report_interval": 15},
            "privsep": {"helper_command": "privsep-helper"},
            # Neutron 21 starts with Linux bridges only when asked in this way.
            "experimental": {"linuxbridge": True},
            **_layer_two(),
        },
    )


def _general(state: Path) -> dict[str, object]:
    return {
        "use_stderr": True,
        "bind_host": API,
        "bind_port": NEUTRON,
        "core_plugin": "ml2",
        "service_plugins": "router",
        "transport_url": ini.RABBIT,
        "state_path": state,
        "dns_domain": "cloud.test.",
        "api_paste_config": "/usr/share/neutron-common/api-paste.ini",
        "host": HOST,
        "interface_driver": "linuxbridge",
        "enable_isolated_metadata": False,
        "enable_metadata_proxy": False,
    }


def _pace() -> dict[str, object]:
    return {
        "rpc_response_timeout": 180,
        "api_workers": 1,
        "rpc_workers": 1,
        "rpc_state_report_workers": 0,
        "agent_down_time": 120,
    }


def _layer_two() -> ini.Sections:
    wires = ",".join(f"{wire.inside}:{wire.inside}" for wire in (PROVIDER_WIRE, PUBLIC_WIRE))
    return {
        "ml2": {
            "type_drivers": "flat,local",
            "tenant_network_types": "local",
            "mechanism_drivers": "nowhere,linuxbridge",
            "extension_drivers": "port_security",
        },
        "ml2_type_flat": {"flat_networks": "*"},
        "securitygroup": {"enable_security_group": True, "enable_ipset": False, "firewall_driver": "noop"},
        # An interface, not a bridge: with a bridge Nova and the agent would each make one of their own.
        "linux_bridge": {"physical_interface_mappings": wires},
        "vxlan": {"enable_vxlan": False},
    }


def create_tables(place: Place) -> None:
    """Fill the empty database."""
    run(["neutron-db-manage", *_config(place), "upgrade", "heads"], place.log / "create-tables-neutron.log")


def service(place: Place) -> Service:
    """Return Neutron's server."""
    environment = {"PYTHONPATH": str(PLUGINS)}
    return Service(
        "neutron-server", ("neutron-server", *_config(place)), _answers, environment, ("mariadb", "rabbitmq")
    )


def _answers() -> bool:
    return answers_http(NEUTRON) and heard(*QUEUES)


def agents(place: Place) -> list[Service]:
    """Return the agents."""
    return [Service(name, (name, *_config(place)), after=("neutron-server",)) for name in AGENTS]


def _config(place: Place) -> tuple[str, str]:
    return ("--config-file", str(place.etc / "neutron.conf"))
