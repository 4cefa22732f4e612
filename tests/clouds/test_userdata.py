"""The pool's own cloud-config and a label's user data, in one."""

from email.parser import Parser

import pytest

from nodepool_lite.clouds.userdata import OWN_PART, combined, is_combinable

OWN = "#cloud-config\nhostname: web-1\nssh_keys:\n  ed25519_private: |\n    SECRET\n"


def parts(text: str) -> list[tuple[str, str | None, str]]:
    """Return the type, file name and content of each part."""
    message = Parser().parsestr(text)
    return [
        (each.get_content_type(), each.get_filename(), each.get_payload(decode=True).decode())  # type: ignore[union-attr]
        for each in message.walk()
        if not each.is_multipart()
    ]


def test_one_of_them_alone_stays_as_it_is() -> None:
    """No wrapping that nobody needs."""
    assert combined(OWN, "") == OWN
    assert combined("", "#!/bin/sh\n") == "#!/bin/sh\n"
    assert combined("", "") == ""


@pytest.mark.parametrize(
    "users", ["#!/bin/sh\necho hi\n", "#cloud-config\npackages: [git]\n", "#!/bin/sh\necho grün\n"]
)
def test_two_become_parts_of_a_message_with_ours_last(users: str) -> None:
    """What comes later wins in cloud-init; ours is known by its file name."""
    assert parts(combined(OWN, users)) == [
        ("text/plain", "user-data", users),
        ("text/cloud-config", OWN_PART, OWN),
    ]


def test_ours_stays_readable_line_by_line() -> None:
    """The guest script of our images has no decoder."""
    text = combined(OWN, "#!/bin/sh\necho grün\n")
    assert OWN in text


def test_a_message_of_several_parts_gets_one_more() -> None:
    """The user's own parts are kept, with their types."""
    users = combined("#cloud-config\na: 1\n", "#!/bin/sh\n").replace(OWN_PART, "theirs.cfg")
    found = parts(combined(OWN, users))
    assert [(kind, name) for kind, name, _ in found] == [
        ("text/plain", "user-data"),
        ("text/cloud-config", "theirs.cfg"),
        ("text/cloud-config", OWN_PART),
    ]


def test_ignition_cannot_be_added_to() -> None:
    """It stays as it is, and the host key is not injected."""
    assert not is_combinable('{"ignition": {}}')
    assert combined(OWN, '{"ignition": {}}') == '{"ignition": {}}'


def test_lines_that_begin_with_from_stay_as_they_are() -> None:
    """Mail programs would change them."""
    assert "\nFrom here\n" in combined(OWN, "#!/bin/sh\nFrom here\n")
