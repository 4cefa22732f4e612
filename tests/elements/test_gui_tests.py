"""A recorded browser test on a real node of the element gui-tests: what is left can be looked at."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.actions.dib.machine import Machine, booted
from tests.images import DEBIAN, built

pytestmark = [pytest.mark.machine, pytest.mark.proof]
IMAGE = DEBIAN.but(name="gui-tests", elements=(*DEBIAN.elements, "gui-tests"), env_vars={"DIB_IMAGE_SIZE": "5"})
BROWSE = Path(__file__).with_name("browse.py")
PATIENCE = 900.0


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A node with room for a browser, and the test on it."""
    image, key = built(IMAGE)
    with booted(tmp_path_factory.mktemp("gui"), image, key, "gui-tests-1", ram=2048) as machine:
        machine.run(f"cat > browse.py << 'END'\n{BROWSE.read_text()}\nEND")
        yield machine


def test_a_browser_test_leaves_a_screenshot_and_a_video_that_can_be_played(node: Machine) -> None:
    """Ffprobe says so; the command's output and status are there as well."""
    command = "record-gui-tests --output result --size 1000x600 --rate 2 -- python3 browse.py 2>&1; echo $?"
    said = node.run(command, timeout=PATIENCE)
    assert said.splitlines()[-1] == "0", said
    assert "the page was used" in said
    assert node.run("cat result/status; tail -n 1 result/output.log") == "0\nthe page was used\n"
    probe = "ffprobe -v error -of json -show_entries stream=codec_type,width,height:format=duration result/video.mp4"
    found = json.loads(node.run(probe, timeout=PATIENCE))
    (stream,) = found["streams"]
    assert (stream["codec_type"], stream["width"], stream["height"]) == ("video", 1000, 600)
    assert float(found["format"]["duration"]) > 1
    for name in ("page.png", "end.png"):
        assert node.run(f"file -b result/{name} 2>/dev/null || head -c 8 result/{name} | tail -c 7").startswith("PNG")


def test_a_test_that_fails_is_recorded_too(node: Machine) -> None:
    """Its status is the wrapper's, and the video is whole: that one is the most wanted."""
    said = node.run(
        "record-gui-tests --output failed --rate 2 -- sh -c 'sleep 5; exit 7' 2>&1; echo $?", timeout=PATIENCE
    )
    assert said.splitlines()[-1] == "7", said
    assert (
        float(node.run("ffprobe -v error -of csv=p=0 -show_entries format=duration failed/video.mp4", timeout=120)) > 1
    )
    assert node.run("pgrep -c 'Xvfb|ffmpeg' || true") == "0\n"
