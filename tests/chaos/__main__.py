"""`python -m tests.chaos`: one run on real parts; says what was done and seen, and exits with 0 if all was well."""

import argparse
import os
import random
import sys
import tempfile
import traceback
from pathlib import Path

from tests.chaos.enclosure import enter, settle_in
from tests.chaos.journal import Journal
from tests.cloud.stack.place import CloudError


def main() -> int:
    """Go into namespaces of our own, and run there."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="how often a process is killed [%(default)s]")
    parser.add_argument("--seed", type=int, help="what the plan follows from [a random one]")
    parser.add_argument("--takeovers", type=int, default=3, help="how many deaths and stops are timed [%(default)s]")
    parser.add_argument("--directory", type=Path, help="where logs and data are kept [a new one]")
    parser.add_argument("--inside", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside is None:
        try:
            enter("-m", "tests.chaos", *_completed(options))
        except CloudError as problem:
            sys.stderr.write(f"error: {problem}\n")
            return 1
    settle_in(options.inside)
    return _run(options)


def _completed(options: argparse.Namespace) -> list[str]:
    """Return the command line with what was left to us."""
    seed = random.randrange(10000) if options.seed is None else options.seed
    directory = options.directory or Path(tempfile.mkdtemp(prefix="nodepool-lite-chaos-", dir="/var/tmp"))
    return [
        *("--kills", str(options.kills), "--seed", str(seed)),
        *("--takeovers", str(options.takeovers), "--directory", str(directory.absolute())),
    ]


def _run(options: argparse.Namespace) -> int:
    from tests.chaos.run import run  # noqa: PLC0415 - openstacksdk takes its time

    journal = Journal(sys.stdout)
    journal.say(f"seed {options.seed}, {options.kills} kills, {os.cpu_count()} processors; logs: {options.directory}")
    try:
        well = run(options.directory, journal, seed=options.seed, kills=options.kills, measured=options.takeovers)
    except CloudError as problem:
        sys.stderr.write(f"error: {problem}\n")
        return 1
    except BaseException:
        journal.accuse(f"the run itself failed:\n{traceback.format_exc()}")
        raise
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
