"""Scripts of 2017 in scripts-dir, which today's Packstack would end with an error of its command line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nodepool_lite.config.packstack import GONE, complaints
from nodepool_lite.config.shipped import scripts_dir
from tests.config.conftest import BASE

SCRIPT_OF_2017 = """#!/bin/bash
sudo packstack --allinone --os-swift-install=y \\
    --os-gnocchi-install=n --nagios-install=n \\
    --provision-demo=n
neutron net-create external_network --router:external
"""
STANDS = Path(__file__).parents[1] / "elements" / "stand_ins" / "packstack.options"


def test_a_script_of_2017_is_told_with_what_is_refused(told: Callable[..., list[str]], tmp_path: Path) -> None:
    """At the label that names it, with what to do."""
    (tmp_path / "run_packstack.sh").write_text(SCRIPT_OF_2017)
    text = BASE.replace("min-ready: 1", "min-ready: 1\n    ready-script: run_packstack.sh") + "scripts-dir: .\n"
    options, client = told(text)
    assert "run_packstack.sh: today's Packstack refuses its options --nagios-install, --os-gnocchi-install" in options
    assert "take it away: a newer one ships" in options
    assert options.startswith("7:")
    assert "the `neutron` client, which is gone" in client


def test_it_is_told_even_if_no_label_names_it(told: Callable[..., list[str]], tmp_path: Path) -> None:
    """At scripts-dir: somebody will name it."""
    (tmp_path / "my_packstack.sh").write_text("packstack --allinone --os-sahara-install=y\n")
    (message,) = told(BASE + "scripts-dir: .\n")
    assert "my_packstack.sh: today's Packstack refuses its option --os-sahara-install" in message


@pytest.mark.parametrize(
    "text",
    [
        "packstack --answer-file=/root/answers.txt\n",
        "# packstack --nagios-install=n was an option once\n",
        "echo --nagios-install\n",
        "packstack --allinone --nagios-install-something=n\n",
        "neutron net-list\n",
        "",
    ],
)
def test_other_scripts_are_left_alone(tmp_path: Path, text: str) -> None:
    """What does not call Packstack with such an option."""
    script = tmp_path / "run.sh"
    script.write_text(text)
    assert list(complaints(script)) == []


def test_none_of_what_ships_is_of_2017() -> None:
    """Nor anything that cannot be read."""
    assert [each for script in scripts_dir().iterdir() for each in complaints(script)] == []
    assert list(complaints(Path("/no/such/script"))) == []


def test_no_option_is_called_gone_that_packstack_has() -> None:
    """As far as its options are known here."""
    has = {line.split()[1] for line in STANDS.read_text().splitlines() if line.startswith("CONFIG_")}
    assert has.isdisjoint(GONE)
