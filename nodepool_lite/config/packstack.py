"""Ready-scripts of 2017 that call Packstack with what today's refuses.

Packstack parses with optparse: one option that it does not know ends it. What is gone was read off its plugins.
"""

import re
from collections.abc import Iterator
from pathlib import Path

GONE = (
    "--nagios-install",
    "--os-gnocchi-install",
    "--os-heat-cloudwatch-install",
    "--os-panko-install",
    "--os-sahara-install",
)
"""Options that Packstack had in 2017 and refuses now."""
_CALL = re.compile(r"^[^#\n]*\bpackstack\b(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
"""A line with the word `packstack` that is no comment, with those that it goes on in."""
_CLIENT = re.compile(r"^\s*(?:sudo\s+)?neutron\s+[a-z]+-[a-z-]+", re.MULTILINE)
_LARGEST = 1 << 20


def complaints(script: Path) -> Iterator[str]:
    """Yield what a script asks of Packstack, or of what it deploys, that is not there any more; nothing for most."""
    try:
        if script.stat().st_size > _LARGEST:
            return
        text = script.read_text(errors="replace")
    except OSError:
        return
    calls = _CALL.findall(text)
    if not calls:
        return
    used = [option for option in GONE if any(re.search(rf"{option}(?![\w-])", call) for call in calls)]
    if used:
        several = "options" if len(used) > 1 else "option"
        yield f"today's Packstack refuses its {several} {', '.join(used)}"
    if _CLIENT.search(text):
        yield "it calls the `neutron` client, which is gone: use `openstack network` and `openstack subnet`"
