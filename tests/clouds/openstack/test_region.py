"""Which clouds.yaml is read."""

import re
from pathlib import Path

import pytest

from nodepool_lite.clouds.openstack import OpenStackDriver
from nodepool_lite.clouds.openstack.region import find, opened
from nodepool_lite.config.settings import Provider
from nodepool_lite.config.values import read
from nodepool_lite.model.errors import BadRequestError, CloudError
from nodepool_lite.testing import FakeClock

ENTRY = "{region_name: R1, auth: {auth_url: 'http://k/v3', username: u, password: p, project_name: n}}"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory and a working directory of the test's own."""
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def write(path: Path, *names: str) -> Path:
    """Write a clouds.yaml with entries of these names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("clouds:\n" + "".join(f"  {name}: {ENTRY}\n" for name in names))
    return path


def test_the_first_file_that_has_the_entry_is_used(home: Path) -> None:
    """The environment's, systemd's credential, the one beside our configuration, the user's, the host's."""
    places = {
        "explicit": write(home / "explicit.yaml", "a"),
        "credential": write(home / "credentials/clouds.yaml", "a", "b"),
        "beside": write(home / "etc/clouds.yaml", "a", "b", "c"),
        "working": write(home / "work/clouds.yaml", "a", "b", "c", "d"),
        "xdg": write(home / "xdg/openstack/clouds.yaml", "a", "b", "c", "d", "e"),
        "user": write(home / "home/.config/openstack/clouds.yaml", "a", "b", "c", "d", "e", "f"),
        "site": write(home / "site/openstack/clouds.yml", "a", "b", "c", "d", "e", "f", "g"),
    }
    environ = {
        "OS_CLIENT_CONFIG_FILE": str(places["explicit"]),
        "CREDENTIALS_DIRECTORY": str(home / "credentials"),
        "XDG_CONFIG_HOME": str(home / "xdg"),
        "XDG_CONFIG_DIRS": f"{home}/nowhere:{home}/site",
    }
    found = {name: find(name, home / "etc", environ) for name in "abcdefg"}
    assert found == dict(zip("abcdefg", places.values(), strict=True))


def test_an_entry_that_there_is_not_is_told_with_those_that_there_are(home: Path) -> None:
    """With the files that they are in."""
    file = write(home / "etc/clouds.yaml", "one", "two")
    with pytest.raises(BadRequestError, match=f"no entry `three`: {file} has one, two"):
        find("three", home / "etc", {})


def test_no_file_at_all_is_told_with_the_places(home: Path) -> None:
    """The person who has to put one there wants to know where."""
    with pytest.raises(BadRequestError, match=r"there is no clouds\.yaml that this user can read; put one into .*/etc"):
        find("one", home / "etc", {})


def test_a_file_that_is_no_yaml_is_named(home: Path) -> None:
    """It is not passed over in silence."""
    (home / "etc").mkdir()
    (home / "etc/clouds.yaml").write_text("clouds: [")
    with pytest.raises(BadRequestError, match=r"etc/clouds\.yaml is no YAML"):
        find("one", home / "etc", {})


@pytest.mark.parametrize("place", ["etc", "home/.config/openstack"])
def test_a_secret_file_is_put_over_the_entry(home: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """The password may stand in secure.yaml beside it, or where the user has such files."""
    monkeypatch.delenv("OS_CLIENT_SECURE_FILE", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    file = write(home / "etc/clouds.yaml", "one")
    (home / place).mkdir(parents=True, exist_ok=True)
    (home / place / "secure.yaml").write_text("clouds: {one: {auth: {password: secret}}}\n")
    found, _ = opened("one", "", file)
    assert found.config["auth"]["password"] == "secret"
    assert found.get_region_name("compute") == "R1"


def test_an_entry_that_is_out_of_form_is_told(home: Path) -> None:
    """Not with a traceback."""
    file = write(home / "etc/clouds.yaml", "one")
    file.write_text(file.read_text().replace("region_name: R1", "region_name: "))
    with pytest.raises(BadRequestError, match="entry `one` cannot be used"):
        opened("one", "R1", file)


def test_a_region_that_the_entry_does_not_have_is_told(home: Path) -> None:
    """By the file's name."""
    file = home / "etc/clouds.yaml"
    file.parent.mkdir()
    file.write_text("clouds: {one: {regions: [R1, R2], auth: {auth_url: 'http://k', username: u, password: p}}}\n")
    assert opened("one", "R2", file)[0].get_region_name("compute") == "R2"
    with pytest.raises(BadRequestError, match="entry `one` cannot be used"):
        opened("one", "R3", file)


def driver_of(home: Path) -> OpenStackDriver:
    """Return a driver that uses the entry `one` of the clouds.yaml there."""
    labels = [{"name": "web", "cloud-image": "empty", "flavor-name": "tiny"}]
    pools = [{"networks": ["bulk"], "labels": labels}]
    values = {"name": "os", "cloud": "one", "rate": 0, "cloud-images": [{"name": "empty"}], "pools": pools}
    return OpenStackDriver(read(Provider, values), pool_id="p", clock=FakeClock(), directory=home)


AUTH = "auth_url: 'http://127.0.0.1:1/v3', username: u, password: p, project_name: n"


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("{}", "auth_url"),
        ("{auth: null}", "cannot be used"),
        ("[1]", "expected a mapping with `auth`"),
        ("5", "expected a mapping with `auth`, `region_name` and others, not a text or number"),
        (f"{{profile: nosuch, auth: {{{AUTH}}}}}", "Couldn't find the vendor profile nosuch"),
        (f"{{auth_type: telepathy, auth: {{{AUTH}}}}}", "telepathy"),
        ("{auth: {auth_url: 'http://127.0.0.1:1/v3'}}", "password is a required attribute"),
        ("{auth: {auth_url: 'htp:/x', username: u, password: p}}", "auth_url `htp:/x` does not begin with http"),
        ("{auth_type: v3applicationcredential, auth: {auth_url: 'http://127.0.0.1:1/v3'}}", "application credential"),
        (f"{{api_timeout: soon, auth: {{{AUTH}}}}}", "'soon'"),
        (f"{{cert: /nowhere.pem, auth: {{{AUTH}}}}}", "/nowhere.pem"),
    ],
)
def test_whatever_is_wrong_with_an_entry_is_told_once(home: Path, entry: str, reason: str) -> None:
    """In one sentence, and not with a traceback."""
    (home / "clouds.yaml").write_text(f"clouds: {{one: {entry}}}\n")
    driver = driver_of(home)
    (problem,) = driver.problems()
    assert reason in problem
    with pytest.raises(CloudError, match=re.escape(reason)):
        driver.list_servers()
    driver.close()


@pytest.mark.parametrize(
    "text",
    [
        'clouds: {one: {auth: {username: u, password: "hunter2',
        "clouds: {one: {auth: {password: *hunter2 }}}",
        "clouds: {one: {auth: {password: !hunter2 x}}}",
        "clouds: {one: {auth: {password: hunter2: x}}}",
        "clouds: {one: {auth: {password: !hunter2's }}}",
        "clouds: {one: {auth: {password: !!int hunter2 }}}",
        "clouds: {one: {auth: {birthday: 2023-02-30, password: hunter2}}}",
        "clouds: {one: {auth: {auth_url: 'http://u:hun/ter2-hunter2@127.0.0.1:1/v3', username: u, password: hunter2}}}",
        "clouds: {one: password=hunter2}",
        "clouds: {one: [password, hunter2]}",
        "clouds: {one: {auth: password=hunter2}}",
        "clouds: {one: {auth: {auth_url: 'u:hunter2@127.0.0.1', username: u, password: hunter2}}}",
        "clouds: {one: {auth: {auth_url: 'http://u:hunter2@127.0.0.1:1/v3', username: u, password: hunter2}}}",
    ],
)
def test_no_problem_tells_a_password(home: Path, text: str) -> None:
    """Problems are recorded where every user reads them."""
    (home / "clouds.yaml").write_text(text)
    problems = driver_of(home).problems()
    assert problems
    assert "hunter2" not in "".join(problems)


def test_a_secure_file_that_is_no_yaml_is_named(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The library would go on without it, and log what stands there."""
    file = write(home / "etc/clouds.yaml", "one")
    (home / "etc/secure.yaml").write_text("clouds: {one: {auth: {password: *hunter2 }}}\n")
    with pytest.raises(
        BadRequestError, match=r"etc/secure\.yaml is no YAML at line 1, column 33: found undefined alias$"
    ):
        opened("one", "", file)
    assert "hunter2" not in caplog.text
