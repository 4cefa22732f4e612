"""How bad things are in one run: how often each kind of trouble comes, and how slow everything is."""

from random import Random

CALL_TIMEOUT = 30.0
"""Seconds after which a driver gives up a call to its cloud."""
LATEST = 25.0
"""Seconds that a request may still be on its way after that."""
STORE_TIMEOUT = 5.0
"""Seconds after which the store gives up a write."""


class Weather:
    """Rates of trouble (from 0 to 1) and delays (seconds); `clear_up` ends all of it."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.store_trouble = random.choice([0.0, 0.0, 0.01, 0.05])
        self.cloud_trouble = random.choice([0.0, 0.02, 0.05, 0.2])
        self.stuck_requests = random.choice([0.0, 0.0, 0.05, 0.3])
        self.node_trouble = random.choice([0.0, 0.02, 0.1])
        self.slowness = random.choice([0.0, 0.01, 0.05, 0.15])
        self.bad_boots = random.choice([0.0, 0.0, 0.1, 0.3])
        self.mute_servers = random.choice([0.0, 0.0, 0.05])
        self.bad_scripts = random.choice([0.0, 0.05, 0.2])
        self.preemption = random.choice([0.0, 0.02, 0.1])
        """How often a thread loses its turn where it does not call anybody."""

    def clear_up(self) -> None:
        """Let nothing go wrong any more."""
        self.store_trouble = self.cloud_trouble = self.stuck_requests = self.node_trouble = self.slowness = 0.0
        self.bad_boots = self.mute_servers = self.bad_scripts = 0.0

    def strikes(self, rate: float) -> bool:
        """Tell whether trouble of that rate comes now."""
        return rate > 0 and self._random.random() < rate

    def store_delay(self) -> float:
        """Return how long a request to the store, or its answer, is on its way."""
        return self._delay(0.01, 2.0)

    def cloud_delay(self) -> float:
        """Return how long a request to a cloud, or its answer, is on its way."""
        return self._delay(0.2, CALL_TIMEOUT)

    def node_delay(self) -> float:
        """Return how long a command on a node, or its answer, is on its way."""
        return self._delay(0.1, 20.0)

    def _delay(self, usual: float, most: float) -> float:
        share = self._random.random()
        return share * (most if self.strikes(self.slowness) else usual)
