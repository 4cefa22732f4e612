"""RabbitMQ for the services' calls of each other, and memcached for Keystone's tokens."""

from .place import Place
from .process import Service, listens

PORT = 5672


def rabbitmq(place: Place) -> Service:
    """Return RabbitMQ, under its own names and paths, and without the busy waiting that would eat both processors."""
    home = place.data / "rabbitmq"
    home.mkdir(parents=True, exist_ok=True)
    (home / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{PORT}\n"
        "vm_memory_high_watermark.absolute = 1GB\n"
        "disk_free_limit.absolute = 50MB\n"
        "log.console = true\n"
        "log.file = false\n"
        "log.console.level = warning\n"
    )
    environment = {
        "HOME": str(home),
        "RABBITMQ_NODENAME": "cloud@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_PID_FILE": str(home / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_CONF_ENV_FILE": str(home / "none"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }
    return Service("rabbitmq", ("/usr/lib/rabbitmq/bin/rabbitmq-server",), lambda: listens(PORT), environment)


def memcached() -> Service:
    """Return memcached."""
    command = ("memcached", "-u", "root", "-l", "127.0.0.1", "-p", "11211", "-m", "64", "-t", "1")
    return Service("memcached", command, lambda: listens(11211))


def heard(*queues: str) -> bool:
    """Whether somebody takes the messages of each of these queues; before, what is sent there is lost."""
    import amqp  # noqa: PLC0415 - a package that may just have been installed

    try:
        with amqp.Connection(f"127.0.0.1:{PORT}", connect_timeout=2, read_timeout=5) as connection:
            return all(connection.channel().queue_declare(queue, passive=True).consumer_count for queue in queues)
    except (OSError, amqp.AMQPError):
        return False
