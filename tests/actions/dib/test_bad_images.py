"""Builds that succeed and leave something that is no image."""

from dataclasses import replace
from pathlib import Path

import pytest

from nodepool_lite.model.errors import BuildFailedError
from tests.actions.dib.workshop import Workshop

pytestmark = pytest.mark.machine

STAND_IN = """\
#!/bin/sh
while [ $# -gt 0 ]; do
  [ "$1" != -o ] || output=$2
  shift
done
{what}
"""


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (': > "$output.qcow2"', "left an empty qcow2 file"),
        ('echo "I am no image" > "$output.qcow2"', "left a qcow2 file that is none"),
        ("true", "left no qcow2 file"),
        ('mkdir "$output.qcow2"', "left no qcow2 file"),
        ('ln -s /etc/passwd "$output.qcow2"', "left a qcow2 file that is none"),
    ],
)
def test_what_is_no_image_fails_the_build(workshop: Workshop, tmp_path: Path, what: str, message: str) -> None:
    """It is neither published nor uploaded, and the reason says where to look."""
    program = tmp_path / "disk-image-create"
    program.write_text(STAND_IN.format(what=what))
    program.chmod(0o755)
    recipe = workshop.recipe("tiny-0000000001")
    recipe = replace(recipe, diskimage=recipe.diskimage.but(dib_cmd=str(program)))
    with pytest.raises(BuildFailedError, match=f"disk-image-create succeeded and {message}; see {recipe.log}"):
        workshop.build(recipe)
    assert list(workshop.images.iterdir()) == []
