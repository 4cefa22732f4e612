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


def test_a_test_that_is_ended_is_recorded_too(node: Machine) -> None:
    """The signal is the command's, which ends as it will, and the video can be played."""
    command = "record-gui-tests --output ended --rate 2 -- sh -c 'sleep 5; echo begun; exec sleep 600'"
    until = "until grep -qs begun ended/output.log; do sleep 1; done"
    said = node.run(f"{command} > said 2>&1 & {until}; kill $!; wait $!; echo $?", timeout=PATIENCE)
    assert said == "143\n"
    assert node.run("cat ended/status") == "143\n"
    assert (
        float(node.run("ffprobe -v error -of csv=p=0 -show_entries format=duration ended/video.mp4", timeout=120)) > 1
    )


def test_the_terminal_is_recorded_when_it_is_asked_for(node: Machine) -> None:
    """By asciinema, with the command's own status."""
    command = "record-gui-tests --output terminal --rate 2 --terminal -- sh -c 'echo seen; exit 3'"
    said = node.run(f"{command} 2>&1; echo $?", timeout=PATIENCE)
    assert said.splitlines()[-1] == "3", said
    header, *events = node.run("cat terminal/terminal.cast").splitlines()
    assert json.loads(header)["version"] == 2
    assert "seen" in "".join(json.loads(event)[2] for event in events)
