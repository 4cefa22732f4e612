"""Tests of the fingerprint by which a changed recipe is told."""

from pathlib import Path

import pytest

from nodepool_lite.actions.dib.recipe import fingerprint
from nodepool_lite.config.settings import Diskimage

IMAGE = Diskimage(name="debian-12", elements=("debian-minimal", "mine"), release="bookworm")


@pytest.fixture
def elements(tmp_path: Path) -> Path:
    """Give a directory with the element `mine`, which depends on `below`."""
    for name in ("mine", "below", "unrelated"):
        (tmp_path / name / "install.d").mkdir(parents=True)
        (tmp_path / name / "install.d" / f"50-{name}").write_text("true\n")
    (tmp_path / "mine" / "element-deps").write_text("below\nvm\n")
    return tmp_path


def test_the_same_recipe_has_the_same_fingerprint(elements: Path) -> None:
    """Nothing but the recipe counts, not even the diskimage's rebuild-age."""
    again = IMAGE.but(rebuild_age=1.0, pause=True)

    assert fingerprint(IMAGE, (elements,)) == fingerprint(again, (elements,))


@pytest.mark.parametrize(
    "change", [{"release": "trixie"}, {"elements": ("debian-minimal",)}, {"env_vars": {"A": "1"}}, {"dib_cmd": "other"}]
)
def test_a_changed_setting_changes_it(elements: Path, change: dict[str, object]) -> None:
    """What shapes the image is part of the fingerprint."""
    assert fingerprint(IMAGE, (elements,)) != fingerprint(IMAGE.but(**change), (elements,))


@pytest.mark.parametrize("name", ["mine", "below"])
def test_a_changed_element_changes_it(elements: Path, name: str) -> None:
    """The files of the elements and of those they depend on count, with their modes; other elements do not."""
    before = fingerprint(IMAGE, (elements,))
    (elements / "unrelated" / "install.d" / "50-unrelated").write_text("false\n")
    assert fingerprint(IMAGE, (elements,)) == before

    (elements / name / "install.d" / f"50-{name}").chmod(0o755)
    after_mode = fingerprint(IMAGE, (elements,))
    (elements / name / "install.d" / f"50-{name}").write_text("false\n")

    assert len({before, after_mode, fingerprint(IMAGE, (elements,))}) == 3


def test_the_first_element_of_a_name_counts(elements: Path, tmp_path: Path) -> None:
    """An operator's own element hides the one that is shipped."""
    own = tmp_path / "own"
    (own / "mine" / "install.d").mkdir(parents=True)
    (own / "mine" / "install.d" / "50-mine").write_text("echo mine\n")
    before = fingerprint(IMAGE, (own, elements))

    (elements / "mine" / "install.d" / "50-mine").write_text("false\n")

    assert fingerprint(IMAGE, (own, elements)) == before != fingerprint(IMAGE, (elements,))
