"""Tests of the environment that disk-image-create runs in."""

import sys
from pathlib import Path

import pytest

from nodepool_lite.actions.dib.environment import cache_key, environment
from nodepool_lite.actions.dib.recipe import Recipe
from nodepool_lite.config.settings import Diskimage


def recipe(tmp_path: Path, **settings: object) -> Recipe:
    """Return a recipe whose builder says NODEPOOL_PUBLIC_KEY_FILE and A."""
    return Recipe(
        diskimage=Diskimage(**{"name": "debian-12", "username": "zuul", **settings}),
        formats=("qcow2",),
        output=tmp_path / "debian-12-0000000001",
        log=tmp_path / "log",
        work_dir=tmp_path,
        elements_path=(Path("/etc/elements"), Path("/shipped")),
        environment={"NODEPOOL_PUBLIC_KEY_FILE": "/key.pub", "A": "builder"},
    )


def test_the_diskimage_has_the_last_word(tmp_path: Path) -> None:
    """`env-vars` win over the builder, the builder over the host; the release becomes DIB_RELEASE."""
    found = environment(
        recipe(tmp_path, release="trixie", env_vars={"A": "diskimage", "NODEPOOL_CA_FILE": ""}), (), tmp_path / "cache"
    )

    assert found["A"] == "diskimage"
    assert found["NODEPOOL_CA_FILE"] == ""
    assert found["NODEPOOL_PUBLIC_KEY_FILE"] == "/key.pub"
    assert found["NODEPOOL_USERNAME"] == "zuul"
    assert found["DIB_RELEASE"] == "trixie"


def test_nothing_can_lead_a_build_out_of_its_own_directories(tmp_path: Path) -> None:
    """Where a build keeps its temporary files is not for `env-vars`: the sweep has to find them."""
    found = environment(recipe(tmp_path, env_vars={"TMP_DIR": "/tmp", "DIB_NO_TMPFS": "0"}), (), tmp_path / "cache")

    assert (found["TMP_DIR"], found["TMPDIR"], found["DIB_NO_TMPFS"]) == (f"{tmp_path}/tmp", f"{tmp_path}/tmp", "1")
    assert found["DIB_IMAGE_CACHE"] == f"{tmp_path}/cache"


def test_stand_ins_and_our_own_programs_come_first(tmp_path: Path) -> None:
    """disk-image-create is the one beside the interpreter that runs us, and stand-ins hide the host's programs."""
    path = environment(recipe(tmp_path), (Path("/stand-ins"),), tmp_path)["PATH"].split(":")

    assert path[:2] == ["/stand-ins", str(Path(sys.executable).parent)]
    assert "/usr/sbin" in path


def test_the_operators_elements_come_before_the_shipped_ones(tmp_path: Path) -> None:
    """The order of directories is the order of precedence, and our own adapter is the last of them."""
    path = environment(recipe(tmp_path), (), tmp_path)["ELEMENTS_PATH"].split(":")

    assert path[:2] == ["/etc/elements", "/shipped"]
    assert Path(path[2], "nodepool-build-host").is_dir()


def test_our_own_environment_stays_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set for the daemon reaches into an image only when it is a proxy or the like."""
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    monkeypatch.setenv("CURL_CA_BUNDLE", "/only/on/the/host")

    found = environment(recipe(tmp_path), (), tmp_path)

    assert found["http_proxy"] == "http://proxy.example:3128"
    assert not {"SECRET_TOKEN", "CURL_CA_BUNDLE"} & set(found)


def test_an_image_from_https_can_check_certificates_from_the_start(tmp_path: Path) -> None:
    """The tree that apt first runs in has the authorities when its mirror wants them, and only then."""
    plain = environment(recipe(tmp_path, env_vars={"DIB_DISTRIBUTION_MIRROR": "http://mirror.example"}), (), tmp_path)
    secure = environment(recipe(tmp_path, env_vars={"DIB_DISTRIBUTION_MIRROR": "https://mirror.example"}), (), tmp_path)

    assert "DIB_MMDEBSTRAP_EXTRA_ARGS" not in plain
    assert secure["DIB_MMDEBSTRAP_EXTRA_ARGS"] == secure["DIB_DEBOOTSTRAP_EXTRA_ARGS"] == "--include=ca-certificates"


def test_releases_and_mirrors_do_not_share_a_cache() -> None:
    """A tree bootstrapped for one release or from one mirror is not used for another."""
    keys = [{"DIB_RELEASE": "bookworm"}, {"DIB_RELEASE": "trixie"}, {"DIB_DISTRIBUTION_MIRROR": "http://mine.example"}]

    assert len({cache_key(each) for each in keys}) == 3
    assert cache_key({"A": "1"}) == cache_key({"A": "2"})
