"""Many seeds in parallel, or one with its story.

python -m tests.simulation --seeds 10000              seeds 0 to 9999, on all cores
python -m tests.simulation --seeds 500 --first 7000   others
python -m tests.simulation --seed 4711 --story        one, told line by line; the same run as ever
python -m tests.simulation --mutations                which seed finds which of the mistakes made on purpose
python -m tests.simulation --seed 3 --mutation "a surplus stays"     one of them, in one seed
"""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from itertools import repeat

from tests.simulation.mutations import MUTATIONS, found_in
from tests.simulation.promises import UNFORESEEN
from tests.simulation.run import Told, run

CHUNK = 2
"""Seeds that a process takes at a time."""


def main() -> int:
    """Run what the command line asks for; return the exit status: 1 if a promise was broken, or no mistake found."""
    options = _options()
    if options.mutations:
        return _mutations(range(options.first, options.first + options.seeds), options.jobs)
    if options.seed is None:
        return _many(range(options.first, options.first + options.seeds), options.jobs)
    with MUTATIONS[options.mutation]() if options.mutation else nullcontext():
        told = run(options.seed)
    if options.story or told.broken:
        _say(told.story)
    _say(f"seed {told.seed}: {told.broken or 'every promise was kept'}")
    return int(bool(told.broken))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=300, metavar="N", help="how many seeds to run (300)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first of them (0)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (one per core)")
    parser.add_argument("--seed", type=int, metavar="SEED", help="run this one alone")
    parser.add_argument("--story", action="store_true", help="with --seed: tell what happened even if all was well")
    parser.add_argument("--mutation", choices=MUTATIONS, metavar="NAME", help="with --seed: make this mistake")
    parser.add_argument("--mutations", action="store_true", help="find every mistake that is made on purpose")
    options = parser.parse_args()
    if options.mutation and options.seed is None:
        parser.error("--mutation needs --seed")
    return options


def _many(seeds: range, jobs: int) -> int:
    began = time.monotonic()
    broken: list[int] = []
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    with ProcessPoolExecutor(jobs) as pool:
        for number, failures in enumerate(pool.map(_failures, chunks), 1):
            for told in failures:
                broken.append(told.seed)
                _say(f"{told.story}\nseed {told.seed}: {told.broken}")
            _progress(min(number * CHUNK, len(seeds)), len(seeds), len(broken))
    seconds = time.monotonic() - began
    rate = len(seeds) / seconds
    _say(f"{len(seeds)} seeds in {seconds:.1f} s: {rate:.1f} seeds per second on {jobs} processes")
    for seed in broken:
        _say(f"broken: python -m tests.simulation --seed {seed} --story")
    return int(bool(broken))


def _mutations(seeds: range, jobs: int) -> int:
    """Print a table of what finds each mutation; return 1 if one was not found."""
    missed = 0
    _say("| mutation | found in seed | by |\n|---|---|---|")
    with ProcessPoolExecutor(jobs) as pool:
        for name, told in zip(MUTATIONS, pool.map(found_in, MUTATIONS, repeat(seeds)), strict=True):
            first = told.broken.partition("\n")[0] if told else f"**nothing in {len(seeds)} seeds**"
            _say(f"| {name} | {told.seed if told else ''} | {first} |")
            missed += told is None or UNFORESEEN in told.broken
    return int(missed > 0)


def _failures(seeds: range) -> list[Told]:
    return [told for told in map(run, seeds) if told.broken]


def _progress(done: int, of: int, broken: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{done} of {of} seeds, {broken} broken ")
        sys.stderr.write("\n" if done == of else "")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
