"""Writing the configuration: converted, with all defaults, as a schema and as a reference."""

import re
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodepool_lite.config.convert import convert
from nodepool_lite.config.descriptions import descriptions
from nodepool_lite.config.duration import LONGEST
from nodepool_lite.config.load import load_or_raise
from nodepool_lite.config.reference import TARGET, markdown
from nodepool_lite.config.schema import json_schema
from nodepool_lite.config.secrets import MASK
from nodepool_lite.config.settings import Config
from nodepool_lite.config.shapes import sections, shapes
from nodepool_lite.config.show import show
from nodepool_lite.config.values import read
from nodepool_lite.model.errors import ConfigError
from tests.config.conftest import BASE, DATA, FILES

Write = Callable[[str], Path]
TOP = DATA.parent.parent.parent
ENVIRON = {"NODEPOOL_STATE_DIR": "/state", "NODEPOOL_LITE_SECURE": ""}


@pytest.mark.parametrize("file", FILES, ids=lambda each: each.name)
def test_a_converted_file_means_the_same(write: Write, file: Path) -> None:
    """What `convert` writes loads to an equal configuration."""
    assert load_or_raise(write(convert(file)), ENVIRON) == load_or_raise(file, ENVIRON)


def test_a_converted_file_is_native_and_says_what_was_changed(write: Write) -> None:
    """The result has nothing left to translate; its head names what was, by line."""
    text = convert(DATA / "article.yaml")
    assert "#   9: ignored: `targets`" in text
    assert "notice" not in text
    again = convert(write(text))
    assert [line for line in again.splitlines() if line.startswith("#")] == [
        "# Converted from nodepool.yaml by `nodepool-lite config convert`; its comments are not here."
    ]


def test_a_converted_file_keeps_its_variables_and_its_quotes(write: Write) -> None:
    """Values of the environment are not written into a file, and a quoted 8.10 stays text."""
    text = convert(
        write('pool-name: %(NODEPOOL_NAME)\ndiskimages: [{name: a, release: "8.10", env-vars: {A: 8.10}}]\n')
    )
    assert "pool-name: '%(NODEPOOL_NAME)'" in text
    assert "release: '8.10'" in text
    assert "A: 8.10" in text


def test_a_file_with_errors_is_not_converted(write: Write) -> None:
    """What is not understood cannot be carried over, and is told instead."""
    with pytest.raises(ConfigError, match="did you mean `labels`"):
        convert(write("label: []\n"))


@pytest.mark.parametrize("file", FILES, ids=lambda each: each.name)
def test_what_show_prints_loads_to_the_same(write: Write, file: Path) -> None:
    """The effective configuration, written out, is itself."""
    config = load_or_raise(file, ENVIRON)
    assert load_or_raise(write(show(config, masked=False)), {}) == config


def test_show_prints_every_key_with_a_value() -> None:
    """All settings are there, those with defaults too."""
    shown = yaml.safe_load(show(Config()))
    without = {"private-key", "zookeeper-tls", "zookeeper-auth"}
    assert set(shown) == {name.replace("_", "-") for name in Config.__struct_fields__} - without
    assert shown["lease-lifetime"] == "4h"


def test_show_hides_values_of_variables_that_look_secret(write: Write) -> None:
    """Passwords, secrets and tokens are masked; the rest is shown."""
    env = "{DB_PASSWORD: secret1, MY_TOKEN: secret2, client_secret: secret3, API_KEY: secret4, DIB_RELEASE: five}"
    text = show(load_or_raise(write(BASE.replace("    elements", f"    env-vars: {env}\n    elements")), {}))
    assert not any(f"secret{n}" in text for n in range(1, 5))
    assert text.count(MASK) == 4
    assert "DIB_RELEASE: five" in text


NAMES = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,10}\Z")
TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Cn")), max_size=20).filter(
    lambda each: "%(" not in each
)
SECONDS = st.floats(0, LONGEST, exclude_min=True) | st.integers(1, 10**7)


@settings(
    max_examples=100, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    pool=NAMES,
    diskimage=st.fixed_dictionaries(
        {"name": NAMES, "elements": st.lists(NAMES), "release": TEXT, "rebuild_age": SECONDS, "pause": st.booleans()},
        optional={
            "env_vars": st.dictionaries(st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,10}\Z"), TEXT, max_size=3),
            "metadata": st.dictionaries(TEXT, TEXT, max_size=3),
        },
    ),
    options=st.dictionaries(TEXT, st.booleans() | st.integers() | st.floats(0, 1e9) | TEXT, max_size=3),
)
def test_any_settings_survive_being_shown(tmp_path: Path, pool: str, diskimage: dict, options: dict) -> None:
    """Odd texts, long numbers and words that YAML takes for something else come back as they were."""
    made = {
        "pool_name": pool,
        "diskimages": [diskimage],
        "providers": [{"name": pool, "driver": "simulated", "options": options}],
    }
    config = read(Config, {**made, "build_log_dir": "/logs", "images_dir": "/images"})
    path = tmp_path / "shown.yaml"
    path.write_text(show(config, masked=False))
    assert load_or_raise(path, {}) == config


@pytest.mark.parametrize("file", FILES[1:], ids=lambda each: each.name)
def test_the_schema_takes_the_examples(file: Path) -> None:
    """Every native example in etc/ is valid by the schema."""
    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.validate(yaml.safe_load(file.read_text()), json_schema())


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("check-interval: 1h30m", True),
        ("check-interval: 90", True),
        ("check-interval: soon", False),
        ("check-interval: '%(NODEPOOL_X)'", True),
        ("build-jobs: '3'", True),
        ("build-jobs: three", False),
        ("labels: [{name: 12, min-ready: 1}]", True),
        ("labels: [{name: a, min-redy: 1}]", False),
        ("labels: [{min-ready: 1}]", False),
        ("labels:", True),
        ("elements-dir: /a:/b", True),
        ("elements-dir: [/a, /b]", True),
        ("diskimages: [{name: a, release: 8.10, pause: 'no', env-vars: {A: 1}}]", True),
        ("diskimages: [{name: a, elements: vm}]", False),
        ("providers: [{name: a, driver: ec2}]", False),
        ("webapp: {port: 1}", True),
    ],
)
def test_the_schema_agrees_with_the_loader(write: Write, text: str, valid: bool) -> None:
    """An editor with the schema complains where the loader does, about one key at a time."""
    errors = list(jsonschema.Draft202012Validator(json_schema()).iter_errors(yaml.safe_load(text)))
    assert (not errors) == valid


def test_the_reference_is_up_to_date() -> None:
    """The committed page is what the settings say; `python -m nodepool_lite.config.reference` makes it so."""
    assert (TOP / TARGET).read_text() == markdown()


def test_every_key_is_documented() -> None:
    """Each field of the settings has a sentence."""
    silent = [
        f"{section.__name__}.{name}"
        for section in sections()
        for name in section.__struct_fields__
        if not descriptions()[section.__name__].fields.get(name)
    ]
    assert silent == []


def test_the_example_has_every_key() -> None:
    """etc/nodepool.yaml shows each key, with a value or commented out; only what serves tests is left out."""
    words = set(re.findall(r"^[\s#-]*([a-z0-9-]+):", (TOP / "etc/nodepool.yaml").read_text(), re.MULTILINE))
    keys = {key for section in sections() for key in shapes(section)}
    assert keys - words == {"options", "login-test"} & keys
