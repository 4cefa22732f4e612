"""Host names of nodes: valid whatever their labels and the format are."""

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from nodepool_lite.access.keys import cloud_config, new_host_key
from nodepool_lite.actions.nodes import hostname_of
from nodepool_lite.config.settings import Provider
from nodepool_lite.testing import make_node

KEY = new_host_key()
NAMES = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
PARTS = ("{label}", "{node_id}", "{provider}", "{label.name}", "{node.id}", "{provider.name}")


@settings(max_examples=200, derandomize=True, deadline=None)
@given(NAMES, NAMES, st.lists(st.sampled_from(PARTS) | st.text(max_size=5).filter(lambda x: not {*x} & {*"{}"})))
@example("a" * 62 + "-b", "p", ["{label}"])
@example("a", "p", ["ä\n; reboot"])
@example("a", "p", [])
@example("-", "p", ["---"])
def test_every_node_has_a_host_name_that_user_data_and_a_shell_take(
    label: str, provider: str, parts: list[str]
) -> None:
    """Letters, digits and hyphens, none of these at an end, at most 63 of them: RFC 1123, 2.1."""
    made = Provider(name=provider, driver="qemu", hostname_format="".join(parts))
    name = hostname_of(made, make_node(42, label=label))
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name)
    assert f"hostname: {name}\n" in cloud_config(name, KEY).replace('"', "")
