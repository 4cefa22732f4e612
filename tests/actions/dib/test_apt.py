"""Tests of what is read from the host's apt."""

from pathlib import Path

import pytest

from nodepool_lite.actions.dib.apt import Source, codename, mirrors, sources, unchecked

DEB822 = """\
# a comment
Types: deb deb-src
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
# between the fields
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb-src
URIs: http://mirror.example/sources
Suites: bookworm
Components: main

Types: deb
Enabled: no
URIs: http://mirror.example/disabled
Suites: bookworm
Components: main
"""
ONE_LINE = """\
# deb http://old.example/debian bookworm main
deb [arch=amd64 signed-by=/etc/apt/keyrings/db.asc] https://db.example/repo bookworm main
deb http://mirror.example/debian bookworm main contrib  # the archive
deb http://mirror.example/debian bookworm-updates main contrib
deb-src http://mirror.example/debian bookworm main
deb cdrom:[Debian]/ bookworm main
deb http://flat.example/repo ./
"""
ARCHIVE = "http://mirror.example/debian"
SECURITY = "http://mirror.example/debian-security"


@pytest.fixture
def etc_apt(tmp_path: Path) -> Path:
    """Give an empty /etc/apt."""
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def test_deb822_sources_are_read(etc_apt: Path) -> None:
    """Stanzas with binary packages count; those switched off and those of sources do not."""
    (etc_apt / "sources.list.d" / "debian.sources").write_text(DEB822)

    assert sources(etc_apt) == (
        Source(ARCHIVE, ("bookworm", "bookworm-updates"), ("main", "contrib")),
        Source(SECURITY, ("bookworm-security",), ("main",)),
    )


def test_one_line_sources_are_read(etc_apt: Path) -> None:
    """Options are stepped over; comments, sources, discs and repositories without components are left out."""
    (etc_apt / "sources.list").write_text(ONE_LINE)
    (etc_apt / "sources.list.d" / "off.list.disabled").write_text("deb http://off.example/debian bookworm main\n")

    assert sources(etc_apt) == (
        Source("https://db.example/repo", ("bookworm",), ("main",)),
        Source(ARCHIVE, ("bookworm",), ("main", "contrib")),
        Source(ARCHIVE, ("bookworm-updates",), ("main", "contrib")),
    )


def test_an_image_comes_from_the_archives_of_the_host(etc_apt: Path) -> None:
    """Another release than the host's is taken from the same places, with updates and security as on the host."""
    (etc_apt / "sources.list.d" / "debian.sources").write_text(DEB822)

    assert mirrors(sources(etc_apt), "bookworm", "trixie", {}) == {
        "DIB_DISTRIBUTION_MIRROR": ARCHIVE,
        "DIB_DEBIAN_SECURITY_MIRROR": SECURITY,
        "DIB_APT_SOURCES_CONF": f"default:deb {ARCHIVE} trixie main contrib\n"
        f"updates:deb {ARCHIVE} trixie-updates main contrib\n"
        f"security:deb {SECURITY} trixie-security main",
    }


def test_a_repository_of_others_is_not_taken_for_the_archive(etc_apt: Path) -> None:
    """Of two places that offer the host's suite, the distribution's is the one that offers its updates."""
    (etc_apt / "sources.list").write_text(ONE_LINE)

    assert mirrors(sources(etc_apt), "bookworm", "bookworm", {})["DIB_DISTRIBUTION_MIRROR"] == ARCHIVE


def test_what_the_operator_chose_is_left_alone(etc_apt: Path) -> None:
    """A mirror set for the diskimage wins, and no list of sources from the host contradicts it."""
    (etc_apt / "sources.list.d" / "debian.sources").write_text(DEB822)
    archives = sources(etc_apt)

    assert mirrors(archives, "bookworm", "", {"DIB_DISTRIBUTION_MIRROR": "http://mine.example"}) == {
        "DIB_DEBIAN_SECURITY_MIRROR": SECURITY
    }
    assert mirrors(archives, "bookworm", "", {"DIB_DEBIAN_SECURITY_MIRROR": "http://mine.example"}) == {
        "DIB_DISTRIBUTION_MIRROR": ARCHIVE
    }


def test_rolling_releases_have_no_updates(etc_apt: Path) -> None:
    """Testing and unstable come from the archive alone."""
    (etc_apt / "sources.list.d" / "debian.sources").write_text(DEB822)

    found = mirrors(sources(etc_apt), "bookworm", "unstable", {})

    assert found["DIB_APT_SOURCES_CONF"] == f"default:deb {ARCHIVE} unstable main contrib"


def test_a_host_without_debian_archives_says_nothing() -> None:
    """Where the host has no archive of its own release, DIB's defaults stand."""
    assert mirrors((), "", "bookworm", {}) == {}


def test_only_the_checks_that_the_host_leaves_out_are_left_out() -> None:
    """An image insists on dates unless the host's apt does not."""
    assert unchecked({"Acquire::Check-Date": "false", "Acquire::Check-Valid-Until": "true"}) == (
        'Acquire::Check-Date "false";\n'
    )
    assert unchecked({}) == ""


def test_the_code_name_is_known_on_debian_alone(tmp_path: Path) -> None:
    """A host of another distribution has no Debian archives to offer."""
    debian, other = tmp_path / "debian", tmp_path / "other"
    debian.write_text('NAME="Debian GNU/Linux"\nVERSION_CODENAME=bookworm\nID=debian\n')
    other.write_text('ID="centos"\nVERSION_ID="9"\n')

    assert (codename(debian), codename(other), codename(tmp_path / "none")) == ("bookworm", "", "")
