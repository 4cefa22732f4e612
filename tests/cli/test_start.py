"""Commands start fast and small, because of what they do not import."""

import subprocess
import sys

import pytest

from nodepool_lite.config.accepted import keep
from nodepool_lite.config.load import load
from nodepool_lite.testing import make_node

from .conftest import PROGRAM, RealPool

HEAVY = {
    "rich",
    "paramiko",
    "openstack",
    "structlog",
    "cryptography",
    "asyncio",
    "diskimage_builder",
    "requests",
    "pydantic",
}
SELDOM = {
    "csv",
    "dataclasses",
    "nodepool_lite.cli.listing",
    "nodepool_lite.config.old_translation",
    "nodepool_lite.config.schema",
    "croniter",
    "shutil",
    "subprocess",
}
"""What a warm grab can do without: making classes from the text of their methods, tables, and what few files need."""
READING = {"yaml", "nodepool_lite.config.load", "nodepool_lite.config.check"}
"""Needed only until a daemon on this host uses the file as it is."""
MIB = 1024


def imported(*command: object) -> set[str]:
    """Run our program and return the modules that it imported, and their top-level packages."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", PROGRAM, *command], capture_output=True, text=True, timeout=60, check=True
    )
    lines = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    modules = {line.rpartition("|")[2].strip() for line in lines}
    return modules | {each.partition(".")[0] for each in modules}


@pytest.mark.zookeeper
@pytest.mark.parametrize("arguments", [("list",), ("status",), ("leases", "-f", "json"), ("grab", "debian-12")])
def test_a_command_imports_nothing_heavy(real_pool: RealPool, arguments: tuple[str, ...]) -> None:
    """Neither a cloud library nor SSH, tables, logging or cryptography."""
    real_pool.store.create(make_node(1))
    assert not imported("--config", real_pool.config, *arguments) & HEAVY


@pytest.mark.zookeeper
def test_a_warm_grab_imports_nothing_that_is_seldom_needed(real_pool: RealPool) -> None:
    """What it takes beyond Python's own start is imports, nearly all of it."""
    real_pool.store.create(make_node(1))
    loaded = load(real_pool.config, {})
    assert loaded.config is not None
    keep(real_pool.config, loaded.config, loaded.digest)
    assert not imported("--config", real_pool.config, "grab", "debian-12") & (SELDOM | READING)


def test_help_does_not_even_import_the_records() -> None:
    """Completion of command names is as fast."""
    assert not imported("config", "check", "--help") & (HEAVY | {"msgspec", "kazoo", "yaml"})


@pytest.mark.zookeeper
def test_the_list_of_an_empty_pool_is_small(real_pool: RealPool) -> None:
    """Under 40 MiB at its largest, Python included."""
    # A child counts the memory of the process that it was forked from, so a small one stands in between.
    measure = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=-3)"
    tell = "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    command = [sys.executable, "-S", "-c", f"{measure}; {tell}", PROGRAM, "--config", real_pool.config, "list"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert 10 * MIB < int(done.stdout) < 40 * MIB
