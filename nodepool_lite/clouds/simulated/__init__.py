"""A cloud in memory: latency, quota and faults are parameters, and time is a clock given from outside.

It starts no thread and never sleeps: a server asked for at time t is ACTIVE from t + `boot-time` on, because the
clock says so. Tests, the simulation and the benchmarks run the real pool on it.
"""

from nodepool_lite.clouds.simulated.cloud import SimulatedCloud, SimulatedImage, SimulatedServer, shared_cloud
from nodepool_lite.clouds.simulated.driver import SimulatedDriver
from nodepool_lite.clouds.simulated.options import SimulatedOptions, parse_options

__all__ = [
    "SimulatedCloud",
    "SimulatedDriver",
    "SimulatedImage",
    "SimulatedOptions",
    "SimulatedServer",
    "parse_options",
    "shared_cloud",
]
