"""A provider's `driver` decides who serves it."""

import subprocess
import sys
from pathlib import Path

import pytest

from nodepool_lite.clouds.qemu import QemuDriver
from nodepool_lite.clouds.registry import open_driver
from nodepool_lite.clouds.simulated import SimulatedDriver
from nodepool_lite.config.settings import Config, Provider
from nodepool_lite.testing import FakeClock

from .worlds import spec


def test_each_driver_is_opened_by_its_name(tmp_path: Path) -> None:
    """`qemu` is this host, `simulated` is memory."""
    config = Config(state_dir=tmp_path)
    for name, kind in (("qemu", QemuDriver), ("simulated", SimulatedDriver)):
        driver = open_driver(Provider(name=name, driver=name), config=config, pool_id="p", clock=FakeClock())
        assert isinstance(driver, kind)


def test_a_simulated_provider_keeps_its_servers_when_it_is_opened_again(tmp_path: Path) -> None:
    """A reload of the configuration does not empty the cloud; its new options are in force."""
    config, clock = Config(state_dir=tmp_path), FakeClock()
    provider = Provider(name="sim", driver="simulated", options={"images": ["tiny"]})
    open_driver(provider, config=config, pool_id="p", clock=clock).create_server(spec("tiny", pool_id="p"))

    changed = Provider(name="sim", driver="simulated", options={"max-servers": 7})
    again = open_driver(changed, config=config, pool_id="p", clock=clock)

    assert len(again.list_servers()) == 1
    assert again.quota().servers == 7


def test_an_openstack_provider_is_opened_without_asking_anybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cloud that is away, or a clouds.yaml that is missing, keeps no launcher from starting."""
    for name in ("OS_CLIENT_CONFIG_FILE", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    provider = Provider(name="vexxhost", cloud="vexxhost")

    driver = open_driver(provider, config=Config(state_dir=tmp_path), pool_id="p", clock=FakeClock())

    assert "there is no clouds.yaml" in driver.problems()[0]


def test_no_driver_is_imported_before_it_is_asked_for() -> None:
    """The commands' start stays small."""
    program = "import nodepool_lite.clouds.registry, sys; print([m for m in sys.modules if 'clouds.' in m])"
    modules = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout

    assert "registry" in modules
    assert "qemu" not in modules
    assert "simulated" not in modules
    assert "openstack" not in modules


def test_the_qemu_driver_does_without_asyncio() -> None:
    """It would cost 9 MiB in every launcher."""
    program = "import nodepool_lite.clouds.qemu, sys; print('asyncio' in sys.modules)"
    asked = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert asked.stdout == "False\n"
