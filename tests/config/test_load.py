"""Loading nodepool.yaml: what it gives, and what it says about a file that is wrong."""

from pathlib import Path

import pytest

from nodepool_lite.config.load import find, load, load_or_raise
from nodepool_lite.model.errors import ConfigError

SMALL = """\
labels:
  - name: debian-12
    min-ready: 1
    max-ready-age: 8h
diskimages:
  - name: debian-12
    elements: [debian-minimal, vm]
    release: 12
    env-vars: {DIB_A: 8.10, DIB_B: '%(NODEPOOL_B)'}
providers:
  - name: local
    driver: qemu
    pools:
      - max-servers: "3"
        labels:
          - {name: debian-12, diskimage: debian-12, min-ram: 512}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with a small native configuration."""
    path = tmp_path / "nodepool.yaml"
    path.write_text(SMALL)
    return path


def test_a_small_native_file_loads(file: Path) -> None:
    """Labels, diskimages and providers arrive as typed settings."""
    config = load_or_raise(file, {"NODEPOOL_B": "from outside"})
    assert config.labels[0].max_ready_age == 8 * 3600
    assert config.diskimages[0].release == "12"
    assert config.diskimages[0].env_vars == {"DIB_A": "8.10", "DIB_B": "from outside"}
    assert config.providers[0].pools[0].max_servers == 3
    assert config.providers[0].pools[0].labels[0].diskimage == "debian-12"


def test_all_problems_are_told_at_once(file: Path) -> None:
    """An unknown key, a wrong type and a missing variable are told together, each with its place."""
    file.write_text(SMALL.replace("min-ready: 1", "min-redy: 1").replace('"3"', "many"))
    with pytest.raises(ConfigError) as caught:
        load_or_raise(file, {})
    assert str(caught.value).splitlines() == [
        f"{file}:3:5: unknown key `min-redy`; did you mean `min-ready`?",
        f"{file}:9:36: the environment has no NODEPOOL_B; set NODEPOOL_B, or write the value here",
        f"{file}:14:22: `max-servers`: expected a whole number, not `many`",
    ]


def test_no_file_anywhere_names_all_the_places() -> None:
    """Without any file the error lists where it was looked for."""
    with pytest.raises(ConfigError, match=r"(?s)--config.*NODEPOOL_LITE_CONFIG.*/etc/nodepool-lite/nodepool.yaml"):
        find(None, {})


def test_a_file_that_is_not_there_is_a_problem_and_no_traceback(tmp_path: Path) -> None:
    """A missing file gives no config and says why."""
    loaded = load(tmp_path / "none.yaml", {})
    assert loaded.config is None
    assert "No such file" in str(loaded.problems[0])
