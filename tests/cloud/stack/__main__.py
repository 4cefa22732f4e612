"""The command line behind tests/cloud/install, up, down, status, service and enter."""

import argparse
import sys

from . import host
from .place import CloudError, Mode, Place


def main() -> int:
    """Do what was asked; return the exit status."""
    arguments = _parser().parse_args()
    try:
        return _do(arguments)
    except CloudError as problem:
        sys.stderr.write(f"tests/cloud/{arguments.command}: {problem}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _do(arguments: argparse.Namespace) -> int:
    place = Place.find()
    match arguments.command:
        case "install":
            host.install(place)
        case "up":
            host.up(place, Mode.FAKE_ONLY if arguments.fake_only else Mode.FULL)
        case "down":
            host.down(place, forget=arguments.forget)
        case "status":
            return host.status(place)
        case "service":
            host.service(place, arguments.action, arguments.name)
        case "enter":
            return host.enter(place, arguments.words)
        case _:
            # Imported late: it needs the packages that `up` installs.
            from . import inside  # noqa: PLC0415

            return inside.run(place, arguments.words)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests/cloud", description="A real OpenStack on this host, for tests.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="install the packages that `up` needs, which it does itself otherwise")
    up = commands.add_parser("up", help="bring the cloud up; does nothing when it is up")
    up.add_argument("--fake-only", action="store_true", help="without libvirt and agents: no true machines")
    down = commands.add_parser("down", help="end the cloud and everything in it")
    down.add_argument(
        "--forget", action="store_true", help="remove all of its directory, with the copies for fast starts"
    )
    commands.add_parser("status", help="tell what runs; exit status 0: all, 1: not all, 3: nothing")
    service = commands.add_parser("service", help="stop or start one service")
    service.add_argument("action", choices=["stop", "kill", "start", "restart"])
    service.add_argument("name", help="as `status` shows it")
    for name, words in (("enter", "run a command where the services run"), ("inside", argparse.SUPPRESS)):
        commands.add_parser(name, help=words).add_argument("words", nargs=argparse.REMAINDER)
    return parser


if __name__ == "__main__":
    sys.exit(main())
