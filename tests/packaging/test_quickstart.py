"""What a newcomer types first, in a fresh checkout: `./quickstart`, once more, and `./quickstart --stop`."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.test_wheel import CHECKOUT, IN_USE, LEFT_OUT
from tests.program import naming

pytestmark = [pytest.mark.machine, pytest.mark.proof]


class Newcomer:
    """Somebody with a checkout and nothing else, who types `./quickstart`."""

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout

    def types(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Return what came of it, with the output as it was shown."""
        settings = {key: value for key, value in os.environ.items() if not key.startswith("NODEPOOL_")}
        return subprocess.run(
            ["./quickstart", *arguments],
            cwd=self.checkout,
            env=settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    """One whose pool is ended, whatever the test saw."""
    checkout = tmp_path / "checkout"
    shutil.copytree(CHECKOUT, checkout, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT, *IN_USE))
    found = Newcomer(checkout)
    yield found
    found.types("--stop")


def test_a_newcomer_gets_a_shell_on_a_pristine_machine_and_leaves_nothing_running(newcomer: Newcomer) -> None:
    """The second time the pool runs already, and there is another node."""
    for words in ("starting the pool", "the daemon runs already"):
        done = newcomer.types()
        assert done.returncode == 0, done.stdout
        assert words in done.stdout
        assert "Debian GNU/Linux 12" in done.stdout
        assert "./quickstart --stop" in done.stdout
    done = newcomer.types("--stop")
    assert done.returncode == 0, done.stdout
    assert naming(str(newcomer.checkout)) == []
