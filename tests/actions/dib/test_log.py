"""Tests of reading disk-image-create's log, on lines that version 3.43.0 wrote."""

from pathlib import Path

import pytest

from nodepool_lite.actions.dib.log import CHECKSUMS, LogReader, phase_fraction, phase_of, reason

STAMP = "2026-11-20 15:08:42.462 | "
BUILD = "/var/lib/nodepool-lite/builds/x-0000000001/tmp/dib_build.LzODcaLe"
CLEANUP = f"""\
Unmount {BUILD}/mnt/var/cache/apt/archives
Unmount {BUILD}/mnt/tmp/in_target.d
Unmount {BUILD}/mnt/sys
INFO diskimage_builder.block_device.blockdevice [-] State already cleaned - no way to do anything here"""
FAILURES = {
    "a script that says why": (
        f"""\
dib-run-parts 15-cleanup-debootstrap completed
dib-run-parts Running /tmp/in_target.d/install.d/70-licence
cannot reach the licence server
{CLEANUP}""",
        "cannot reach the licence server",
    ),
    "a shell trace before it": (
        f"""\
+ source /tmp/in_target.d/install.d/../environment.d/15-block-device.bash
++ export DIB_BLOCK_DEVICE=mbr
++ DIB_BLOCK_DEVICE=mbr
dib-run-parts Running /tmp/in_target.d/install.d/70-x
/tmp/in_target.d/install.d/70-x: line 3: frobnicate: command not found
{CLEANUP}""",
        "/tmp/in_target.d/install.d/70-x: line 3: frobnicate: command not found",
    ),
    "a package that no mirror has": (
        f"""\
dib-run-parts Running /tmp/in_target.d/install.d/01-package-installs
Running install-packages install. Package list: linux-image-amd64 netbase no-such-package-here
Running command: ['install-packages', 'linux-image-amd64', 'netbase', 'no-such-package-here']
> Reading package lists...
> Building dependency tree...
> Reading state information...
> E: Unable to locate package no-such-package-here
returncode: 100
install-packages failed with returncode 100
{CLEANUP}""",
        "E: Unable to locate package no-such-package-here",
    ),
    "a mirror that does not answer": (
        f"""\
dib-run-parts Running {BUILD}/hooks/root.d/08-debootstrap
mmdebstrap is installed; use it
I: automatically chosen mode: root
W: Download is performed unsandboxed as root as file {BUILD}/mnt/var/lib/apt/lists/partial couldn't be accessed
I: running apt-get update...
Ign:1 http://127.0.0.1:9/debian trixie InRelease
Err:1 http://127.0.0.1:9/debian trixie InRelease
  Could not connect to 127.0.0.1:9 (127.0.0.1). - connect (111: Connection refused)
Reading package lists...
E: Failed to fetch http://127.0.0.1:9/debian/dists/trixie/InRelease  Could not connect to 127.0.0.1:9
E: Some index files failed to download. They have been ignored, or old ones used instead.
E: mmdebstrap failed to run
INFO diskimage_builder.block_device.blockdevice [-] State already cleaned - no way to do anything here""",
        (
            "E: Failed to fetch http://127.0.0.1:9/debian/dists/trixie/InRelease  Could not connect to 127.0.0.1:9 / "
            "E: Some index files failed to download. They have been ignored, or old ones used instead."
        ),
    ),
    "an element that does not exist": (
        """\
diskimage-builder version 3.43.0
Building elements: debian-minimal nonesuch
Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/diskimage_builder/lib/element-info.py", line 7, in <module>
    sys.exit(main())
             ^^^^^^
    raise MissingElementException("Element '%s' not found" % element)
diskimage_builder.element_dependencies.MissingElementException: Element 'nonesuch' not found""",
        "MissingElementException: Element 'nonesuch' not found",
    ),
    "a file system that does not fit": (
        """\
dib-run-parts Target: post-install.d
Calculating image size (this may take a minute)...
DEBUG diskimage_builder.block_device.utils [-] exec_sudo: Total journal size too big for filesystem.
Traceback (most recent call last):
  File "/venv/lib/python3.11/site-packages/diskimage_builder/block_device/utils.py", line 143, in exec_sudo
    raise e
diskimage_builder.block_device.exception.BlockDeviceSetupException: exec_sudo failed:
Total journal size too big for filesystem.

*** /build/mnt is not a directory""",
        "BlockDeviceSetupException: exec_sudo failed: / Total journal size too big for filesystem.",
    ),
}


@pytest.mark.parametrize(("text", "expected"), FAILURES.values(), ids=FAILURES)
def test_the_reason_is_what_the_log_said_of_why(tmp_path: Path, text: str, expected: str) -> None:
    """The reason is the words of what failed, without traces, progress and DIB's own cleaning up."""
    log = tmp_path / "build.log"
    log.write_text("".join(f"{STAMP}{line}\n" for line in text.splitlines()))

    assert reason(log) == expected


def test_a_log_that_says_nothing_is_named(tmp_path: Path) -> None:
    """When there is nothing to quote, the reason says where to look."""
    log = tmp_path / "build.log"
    log.write_text("")

    assert str(log) in reason(log)


def test_phases_have_short_names() -> None:
    """A hook is named by its directory and script, inside the image and outside; milestones by what they make."""
    lines = {
        f"{STAMP}dib-run-parts Running /tmp/in_target.d/install.d/60-nodepool-minimal": "install.d/60-nodepool-minimal",
        f"{STAMP}dib-run-parts Running {BUILD}/hooks/root.d/08-debootstrap": "root.d/08-debootstrap",
        f"{STAMP}Calculating image size (this may take a minute)...": "image size",
        f"{STAMP}INFO diskimage_builder.localloop [-] Create image file [/x.raw]": "block device",
        f"{STAMP}Converting image using qemu-img convert": "qcow2",
        f"{STAMP}dib-run-parts 60-nodepool-minimal completed": "",
        f"{STAMP}> Setting up linux-image-cloud-amd64 (6.1.192-2) ...": "",
    }

    assert {line: phase_of(line) for line in lines} == lines


def test_the_fraction_done_grows_in_the_order_of_a_build() -> None:
    """A progress bar only goes forward, from near 0 to below 1, and a phase that is not known counts as the start."""
    order = [
        "root.d/08-debootstrap",
        "root.d/75-debian-minimal-baseinstall",
        "extra-data.d/50-x",
        "pre-install.d/10-x",
        "install.d/01-package-installs",
        "install.d/60-nodepool-minimal",
        "post-install.d/90-x",
        "image size",
        "block device",
        "finalise.d/50-bootloader",
        "cleanup.d/95-x",
        "qcow2",
        CHECKSUMS,
    ]
    fractions = [phase_fraction(phase) for phase in order]

    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < 0.1
    assert 0.9 < fractions[-1] < 1
    assert phase_fraction("") == 0


def test_a_growing_log_is_read_on(tmp_path: Path) -> None:
    """Each look at a log tells the newest phase since the last one, and a half-written line waits for its end."""
    log = tmp_path / "build.log"
    log.write_text("of an earlier run: dib-run-parts Running /x/root.d/01-old\n")
    reader = LogReader(log)
    with log.open("a") as file:
        file.write(f"{STAMP}dib-run-parts Running /x/root.d/08-a\n{STAMP}dib-run-parts Running /x/root.d/09-b\n")
        file.write(f"{STAMP}dib-run-parts Running /tmp/in_target.d/inst")
        file.flush()
        assert reader.newest_phase() == "root.d/09-b"
        file.write("all.d/01-c\n")
        file.flush()
        assert reader.newest_phase() == "install.d/01-c"

    assert reader.newest_phase() == ""
