"""What the pool of one run is to be: its labels, its providers and their limits, drawn from the seed."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from nodepool_lite.config.settings import (
    Config,
    Diskimage,
    Label,
    NodesetMember,
    PoolLabel,
    Provider,
    ProviderImage,
    ProviderPool,
)

FORMATS = {"east": ("qcow2",), "west": ("raw", "qcow2"), "north": ("qcow2",)}
"""Provider name -> what its driver takes, the preferred first."""
POOL_ID = "pool-1"
SCRIPT = "prepare.sh"
BAD = "bad"
"""A label that cannot be made, for a reason that the seed draws."""
MODES = ("image", "script", "cloud", "")
"""Why `bad` cannot be made: its image cannot be built, its script fails, the cloud lacks a flavor; or it can."""


@dataclass(frozen=True)
class Door:
    """One provider of the pool."""

    name: str
    cloud: int
    """Which of the clouds it leads to: two providers may be doors to the same."""
    max_servers: int
    labels: tuple[str, ...]
    priority: int = 100
    concurrency: int = 10
    retries: int = 3


@dataclass(frozen=True)
class Premises:
    """What the pool is to be; an operator makes another one of it with `replace`."""

    labels: tuple[Label, ...]
    doors: tuple[Door, ...]
    recipe: int = 1
    script: int = 1
    """Versions of every diskimage's recipe, and of the ready-script."""
    without: frozenset[str] = field(default_factory=frozenset)
    """Labels and providers that are left out."""

    def config(self, directory: Path) -> Config:
        """Return the configuration of a host that keeps its state in `directory`."""
        labels = tuple(each for each in self.labels if self.without.isdisjoint({each.name, *each.members}))
        return Config(
            labels=labels,
            diskimages=tuple(
                Diskimage(name=label.name, elements=("debian-minimal",)) for label in labels if not label.members
            ),
            providers=tuple(self._provider(door, labels) for door in self.doors if door.name not in self.without),
            state_dir=directory,
            check_interval=90.0,
            cleanup_interval=120.0,
            failed_retention=60.0,
            lease_retention=60.0,
            max_hold_age=40.0,
        )

    def _provider(self, door: Door, labels: tuple[Label, ...]) -> Provider:
        offered = [label for label in labels if label.name in door.labels]
        made = [label.name for label in offered if not label.members]
        sets = [label.name for label in offered if label.members and set(made).issuperset(label.members)]
        pool = ProviderPool(
            max_servers=door.max_servers,
            labels=(
                *(PoolLabel(name=name, diskimage=name, min_ram=512) for name in made),
                *(PoolLabel(name=name) for name in sets),
            ),
        )
        return Provider(
            name=door.name,
            driver="simulated",
            priority=door.priority,
            max_concurrency=door.concurrency,
            launch_retries=door.retries,
            launch_timeout=150.0,
            diskimages=tuple(ProviderImage(name=name) for name in made),
            pools=(pool,),
        )


def drawn(random: Random) -> Premises:
    """Return a pool that can come to rest: there is room for all that is wanted, and for somebody's wishes besides."""
    labels = (
        Label(
            name="web",
            min_ready=random.choice([1, 2, 3]),
            ready_script=SCRIPT,
            ready_script_retries=random.choice([0, 1]),
            ready_script_timeout=100.0,
            max_ready_age=random.choice([0.0, 0.0, 250.0]),
        ),
        Label(
            name="pair",
            min_ready=random.choice([0, 1, 1]),
            ready_script=random.choice([SCRIPT, ""]),
            ready_script_timeout=100.0,
            subnodes=random.choice([1, 1, 2]),
        ),
        Label(name="plain", min_ready=random.choice([0, 1, 2])),
        Label(name="rare"),
        Label(name=BAD, min_ready=random.choice([0, 1]), ready_script=SCRIPT),
        Label(
            name="set",
            min_ready=random.choice([0, 1, 1]),
            ready_script=random.choice([SCRIPT, ""]),
            ready_script_timeout=100.0,
            nodeset=(NodesetMember(label="plain"), NodesetMember(label="rare", count=random.choice([1, 2]))),
        ),
    )
    needed = sum(label.min_ready * label.size for label in labels)
    names = [label.name for label in labels]
    doors = []
    count = random.choice([1, 2, 2, 3])
    clouds = random.choice([1, count])
    for index, name in enumerate(("east", "west", "north")[:count]):
        own = names if index == 0 or random.random() < 1 / 2 else random.sample(names, random.randint(2, 4))
        doors.append(
            Door(
                name=name,
                cloud=index % clouds,
                max_servers=random.choice([needed + 3, needed + 6]) if index == 0 else random.choice([1, 3, 6]),
                labels=tuple(each for each in names if each in own),
                priority=random.choice([50, 100]),
                concurrency=random.choice([2, 10]),
                retries=random.choice([0, 3]),
            )
        )
    return Premises(labels=labels, doors=tuple(doors))


def changed(premises: Premises, random: Random) -> Premises:
    """Return what an operator makes of it."""
    match random.randrange(6):
        case 0:
            return replace(premises, script=premises.script + 1)
        case 1:
            return replace(premises, recipe=premises.recipe + 1)
        case 2:
            return replace(premises, labels=_with_min_ready(premises.labels, random))
        case 3:
            names = [each.name for each in (*premises.labels, *premises.doors)]
            return replace(premises, without=frozenset({random.choice(names)}))
        case 4:
            doors = [replace(door, max_servers=random.choice([1, door.max_servers])) for door in premises.doors]
            return replace(premises, doors=tuple(doors))
        case _:
            return replace(premises, without=frozenset())


def _with_min_ready(labels: tuple[Label, ...], random: Random) -> tuple[Label, ...]:
    web, *others = labels
    return (web.but(min_ready=random.choice([0, 1, 4])), *others)
