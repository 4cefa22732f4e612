"""One run: parts are made, everything is done to them while users go on, and then they are left alone and looked at."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from nodepool_lite.store.open import open_store
from tests.chaos import ensemble, network
from tests.chaos.book import Book
from tests.chaos.journal import Journal
from tests.chaos.launchers import make_launchers, write_config
from tests.chaos.mischief import Mischief
from tests.chaos.outside import Outside
from tests.chaos.phases import Run
from tests.chaos.witness import Witness
from tests.cloud.stack.place import Place

START_LIMIT = 120.0


def run(directory: Path, journal: Journal, *, seed: int, kills: int, measured: int) -> bool:
    """Do one run; return whether every promise was kept."""
    with _parts(directory, journal, seed) as made:
        foreign = made.outside.make_foreign()
        made.settle()
        made.trouble(kills)
        made.settle()
        made.measure(measured)
        made.settle()
        made.end(foreign)
        made.sum_up()
    broken = journal.broken
    journal.say(f"VERDICT: {len(broken)} promises broken" if broken else "VERDICT: every promise was kept")
    return not broken


@contextmanager
def _parts(directory: Path, journal: Journal, seed: int) -> Iterator[Run]:
    """Give a run whose parts have started, and leave nothing in the cloud."""
    clouds_yaml = Place.find().clouds_yaml
    network.lay()
    servers = ensemble.make_servers(directory)
    launchers = make_launchers(directory, clouds_yaml)
    (directory / "user").mkdir()
    config = write_config(directory / "user")
    outside = Outside.connect(clouds_yaml)
    outside.clear()
    mischief = Mischief(launchers, servers, journal)
    mischief.start()
    try:
        with closing(open_store(config, watch=True, timeout=START_LIMIT)) as store:
            witness = Witness(store, Outside.connect(clouds_yaml), journal)
            witness.start()
            journal.say("three servers of ZooKeeper and three launchers run")
            try:
                yield Run(directory, config, journal, store, outside, witness, mischief, seed, Book(journal))
            finally:
                witness.stop()
    finally:
        mischief.end()
        outside.clear()
