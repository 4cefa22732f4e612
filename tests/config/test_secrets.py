"""What is secret in a configuration and an environment, and hiding it."""

from hypothesis import given
from hypothesis import strategies as st

from nodepool_lite.config.secrets import MASK, masked, secrets_of
from nodepool_lite.config.settings import Diskimage
from nodepool_lite.config.zookeeper import ZooKeeperAuth
from nodepool_lite.testing import make_config


def test_secret_is_what_its_name_says() -> None:
    """Passwords, tokens and keys; not what is shorter than a secret can be, and not what other variables say."""
    config = make_config(zookeeper_auth=ZooKeeperAuth(username="u", password="from-zookeeper")).but(
        diskimages=(Diskimage(name="a", env_vars={"DIB_PASSWORD": "of-a", "DIB_RELEASE": "bookworm"}),)
    )
    environment = {"NODEPOOL_TOKEN": "token", "NODEPOOL_SECRET": "no", "NODEPOOL_PLACE": "here"}
    assert secrets_of(config, environment) == {"of-a", "from-zookeeper", "token"}


def test_a_secret_within_another_leaves_nothing_of_either() -> None:
    """The longer one is hidden first."""
    assert masked("abc-123 and abc-", ["abc-", "abc-123"]) == f"{MASK} and {MASK}"


@given(st.text(), st.sets(st.text(alphabet="abc", min_size=4, max_size=8), max_size=4))
def test_no_secret_is_left(text: str, secrets: set[str]) -> None:
    """Wherever it stood."""
    assert not [each for each in secrets if each in masked(text + "".join(secrets), secrets)]
