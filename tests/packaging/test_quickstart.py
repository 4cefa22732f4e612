"""What a newcomer types first, in a fresh checkout: `./quickstart`, once more, and `./quickstart --stop`."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.test_wheel import CHECKOUT, IN_USE, LEFT_OUT

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

    def left_behind(self) -> list[str]:
        """Return the command lines that still run and speak of the checkout."""
        lines = []
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue  # it has just ended
            if str(self.checkout) in line:
                lines.append(line)
        return lines


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
    assert newcomer.left_behind() == []
