"""User data of two origins in one: the pool's own cloud-config, and what a label gives its servers. Pure."""

from email.generator import Generator
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.parser import Parser
from io import StringIO

OWN_PART = "nodepool-lite.cfg"
"""File name of the pool's own part: by it the guest script of our images knows which one is meant for it."""
_MIME = ("content-type:", "mime-version:")


def combined(own: str, users: str) -> str:
    """Return user data that holds both; either may be empty.

    Two are put into one MIME message, as cloud-init takes it (docs: "MIME multi-part archive"); the pool's own part
    comes last, so that its host key and host name win.
    """
    if not own or not users or not is_combinable(users):
        return users or own
    message = MIMEMultipart("mixed", boundary="==nodepool-lite==")
    for part in _parts(users):
        message.attach(part)
    message.attach(_part(own, "cloud-config", OWN_PART))
    text = StringIO()
    Generator(text, mangle_from_=False, maxheaderlen=0).flatten(message)
    return text.getvalue()


def is_combinable(users: str) -> bool:
    """Tell whether something can be added to a user's data: not to Ignition's JSON, which is no part of anything."""
    return not users.lstrip().startswith("{")


def _parts(users: str) -> list[Message]:
    """Return the user's data as parts; cloud-init finds out by its first line what text/plain is."""
    if users.lower().startswith(_MIME):
        message = Parser().parsestr(users)
        return [each for each in message.walk() if not each.is_multipart()]
    return [_part(users, "plain", "user-data")]


def _part(text: str, subtype: str, name: str) -> MIMEText:
    part = MIMEText(text, subtype, "us-ascii" if text.isascii() else "utf-8")
    if text.isascii():
        del part["Content-Transfer-Encoding"]
        part["Content-Transfer-Encoding"] = "7bit"
    part["Content-Disposition"] = f'attachment; filename="{name}"'
    return part
