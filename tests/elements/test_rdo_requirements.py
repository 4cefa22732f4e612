"""The hooks of rdo-requirements on a dressed-up Stream 9: real dnf, and repositories with the traps that are known."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.elements.repositories import HASH, Rpm, build, repo_file, served
from tests.elements.stream import Stream

pytestmark = [pytest.mark.machine, pytest.mark.proof]
MakeStream = Callable[..., Stream]


@pytest.fixture
def make(tmp_path: Path, url: str) -> MakeStream:
    """Make a Stream with the repositories of CentOS and EPEL, and none of RDO."""
    return lambda version="9": Stream(tmp_path, url, version)


def test_packstack_and_what_it_would_install_are_in_the_image(make: MakeStream) -> None:
    """From the release's repository; the traps are avoided: CRB is needed, EPEL and the module would break it."""
    stream = make()
    done = stream.element("rdo-requirements")
    versions = stream.run("rpm -qa --qf '%{NAME} %{VERSION}\\n'").stdout.splitlines()
    assert "openstack-packstack 2025.1" in versions
    assert "python3-only-in-crb 1.0" in versions
    assert "python3-PyMySQL 1.1" in versions
    assert "mariadb-server 10.5.22" in versions
    assert {f"openstack-{each} 2025.1" for each in ("nova-api", "nova-compute", "placement-api")} <= set(versions)
    missing = set(re.findall("epoxy has no package (.*)", done.stdout))
    assert "openstack-gnocchi-api" in missing
    assert not {each.rstrip("-") for each in missing} & {"openstack", "nova-compute", "placement-api"}
    assert stream.run("cat /etc/rdo-requirements").stdout == "RDO_RELEASE=epoxy\nRDO_TRUNK=\n"


@pytest.mark.parametrize(
    ("release", "trunk", "repository"),
    [
        ("epoxy", "promoted", "centos9-epoxy-pu"),
        ("epoxy", "consistent", "centos9-epoxy-co"),
        ("epoxy", "current", "centos9-epoxy-cu"),
        ("epoxy", HASH, f"centos9-epoxy-{HASH[:2]}"),
        ("master", "", "centos9-master-pu"),
        ("flamingo", "promoted", "centos10-flamingo-pu"),
    ],
)
def test_trunk_is_taken_from_where_it_is_published(
    make: MakeStream, url: str, release: str, trunk: str, repository: str
) -> None:
    """The promoted link, the newest, or one build, of a release for a Stream; dependencies as they were promoted."""
    stream = make("10" if "centos10" in repository else "9")
    stream.element("rdo-requirements", {"RDO_RELEASE": release, "RDO_TRUNK": trunk, "RDO_TRUNK_URL": url})
    assert stream.run("rpm -q --qf '%{VERSION}' openstack-packstack").stdout == "2025.2"
    assert {repository, "delorean-deps"} <= set(stream.run("dnf -q repolist").stdout.split())
    assert stream.run("cat /etc/rdo-requirements").stdout == f"RDO_RELEASE={release}\nRDO_TRUNK={trunk or 'promoted'}\n"


@pytest.mark.parametrize(
    ("environment", "version", "words"),
    [
        ({"RDO_RELEASE": "epoxy"}, "10", "RDO has epoxy for CentOS Stream 9, not for 10"),
        ({"RDO_TRUNK": "newest"}, "9", "expected promoted, current, consistent, or a hash of DLRN"),
        ({"RDO_TRUNK": f"{HASH[:-1]}0"}, "9", "delorean.repo"),
        ({"RDO_RELEASE": "epocsy"}, "9", "centos-release-openstack-epocsy"),
        ({"RDO_EXTRA_RPMS": "/no/such/file.rpm"}, "9", "there is no file /no/such/file.rpm on this host"),
    ],
)
def test_what_rdo_does_not_have_is_told(
    make: MakeStream, url: str, environment: dict[str, str], version: str, words: str
) -> None:
    """While the image is built, in the last lines of its log."""
    done = make(version).element("rdo-requirements", {"RDO_TRUNK_URL": url, **environment}, check=False)
    assert done.returncode != 0
    assert words in "\n".join((done.stdout + done.stderr).splitlines()[-4:])


@pytest.mark.parametrize("by", ["file", "file URL", "URL"])
def test_a_patched_package_wins(make: MakeStream, tmp_path: Path, by: str) -> None:
    """Of the build host or of anywhere, older or newer than what the repositories have: nodes with my patch."""
    patched = build(tmp_path / "mine", [Rpm("openstack-nova-api", "2025.0.mine")])
    (file,) = patched.rglob("*.rpm")
    stream = make()
    with served(patched) as mine:
        rpm = {"file": str(file), "file URL": file.as_uri(), "URL": f"{mine}/{file.relative_to(patched)}"}[by]
        stream.element("rdo-requirements", {"RDO_EXTRA_RPMS": rpm})
    assert stream.run("rpm -q --qf '%{VERSION}' openstack-nova-api").stdout == "2025.0.mine"


@pytest.mark.parametrize("by", ["URL", "URL of a .repo file", ".repo file"])
def test_a_repository_of_ones_own_wins(make: MakeStream, tmp_path: Path, by: str) -> None:
    """By its URL, or by a .repo file, of anywhere or of the build host."""
    build(tmp_path / "mine", [Rpm("openstack-nova-api", "2024.9.mine")])
    with served(tmp_path / "mine") as mine:
        file = tmp_path / "mine" / "mine.repo"
        file.write_text(repo_file("mine", mine, extra="priority=1"))
        repository = {"URL": mine, "URL of a .repo file": f"{mine}/mine.repo", ".repo file": str(file)}[by]
        stream = make()
        stream.element("rdo-requirements", {"RDO_EXTRA_REPOS": repository})
    assert stream.run("rpm -q --qf '%{VERSION}' openstack-nova-api").stdout == "2024.9.mine"
