"""Every way in which a call to an OpenStack can fail, mapped onto the four kinds of the contract.

The message is the API's own where there is one: it knows best what is wrong.
"""

import html
import json
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import requests
from keystoneauth1 import exceptions as ksa

from nodepool_lite.model.errors import BadRequestError, CapacityError, CloudError, GoneError, TryAgainLaterError

LONGEST_MESSAGE = 400
BUSY = frozenset({413, 429})
"""Statuses by which a cloud says that it was asked too often: nothing was done."""
_NO_ROOM = re.compile(
    r"quota|no valid host|limit exceeded|exceeds? .*limit|maximum number of|not enough|no more .*addresses"
    r"|no fixed ip addresses|exhausted|unable to find any ip address|storage .*full",
    re.IGNORECASE,
)
_NO_ROOM_TYPES = frozenset(
    {"OverQuota", "IpAddressGenerationFailure", "ExternalIpAddressExhausted", "NoMoreIps", "StorageQuotaFull"}
)
_USER = re.compile(r"://\S*@")
_CERTIFICATES = (
    "in clouds.yaml `cacert` names the file with the CA to trust, `cert` and `key` those that the cloud asks of us"
)
_WRONG = frozenset({400, 403, 405, 406, 413, 415, 422, 501})
_MISSING = frozenset({404, 410})


def of_status(what: str, status: int, text: str, headers: Mapping[str, str], *, makes: bool = False) -> CloudError:
    """Return the error for an answer that is none of those expected.

    Args:
        what: What was tried, e.g. `create a server`.
        status: The HTTP status.
        text: The body.
        headers: The answer's headers, with names in any case.
        makes: The call was to make something new: then what is missing is something that it named.
    """
    kind, said = reason(text)
    message = f"could not {what}: {said or 'no reason given'} (HTTP {status})"
    wait = retry_after(headers)
    if status in BUSY and (status != 413 or wait is not None):  # noqa: PLR2004 - RFC 9110; Nova's old "over limit"
        return TryAgainLaterError(message, 5.0 if wait is None else wait)
    if status < 500 and status != 401 and (kind in _NO_ROOM_TYPES or is_about_room(said)):  # noqa: PLR2004 - RFC 9110
        return CapacityError(message)
    if status in _MISSING:
        return BadRequestError(message) if makes else GoneError(message)
    if status in _WRONG:
        return BadRequestError(message)
    if status == 401:  # noqa: PLR2004 - RFC 9110
        return TryAgainLaterError(f"could not {what}: the cloud does not accept the credentials (HTTP 401)")
    return TryAgainLaterError(message, wait)


def of_exception(what: str, error: Exception) -> CloudError:
    """Return the error for an exception of keystoneauth, requests or openstacksdk, or for an answer that is no JSON."""
    said = brief(str(error)) or type(error).__name__
    if isinstance(error, ksa.HttpError):
        response = error.response
        text, headers = ("", {}) if response is None else (response.text, response.headers)
        return of_status(what, int(error.http_status or 0), text or said, headers)
    if isinstance(
        error, ksa.EndpointNotFound | ksa.CatalogException | ksa.NoMatchingPlugin | ksa.MissingRequiredOptions
    ):
        return BadRequestError(f"could not {what}: {said}; look at this cloud's entry in clouds.yaml")
    if isinstance(error, ksa.SSLError):
        return TryAgainLaterError(f"could not {what}: {said}; {_CERTIFICATES}")
    if isinstance(error, ksa.ClientException | requests.RequestException | ValueError | OSError):
        return TryAgainLaterError(f"could not {what}: {said}")
    return BadRequestError(f"could not {what}: {said}")


def is_about_room(text: str) -> bool:
    """Tell whether a cloud's sentence means that there is no room: a quota is used up, or no host can take more."""
    return bool(_NO_ROOM.search(text))


def reason(text: str) -> tuple[str, str]:
    """Return the kind of error (if the API names one) and its sentence, from a body of any OpenStack service."""
    try:
        body = json.loads(text)
    except ValueError:
        return "", brief(text)
    for found in (body, *(body.values() if isinstance(body, dict) else ())):
        if isinstance(found, dict) and isinstance(found.get("message"), str):
            return str(found.get("type", "")), brief(found["message"])
        if isinstance(found, str) and len(body) == 1:
            return "", brief(found)
    return "", brief(text)


def brief(text: str) -> str:
    """Return the text without markup and without users of URLs, on one line, and not too long."""
    plain = " ".join(html.unescape(re.sub(r"<head>.*?</head>|<[^>]*>", " ", text, flags=re.DOTALL)).split())
    plain = _USER.sub("://", plain)
    return plain if len(plain) <= LONGEST_MESSAGE else f"{plain[:LONGEST_MESSAGE]}..."


def without_user(url: str) -> str:
    """Return a URL, or what was meant for one, without the user and password in front of its host."""
    return url.rpartition("@")[2]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds the answer says to wait (RFC 9110: a number, or a date); None when it does not say."""
    value = next((each for name, each in headers.items() if name.lower() == "retry-after"), "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time()) if value else None
    except ValueError:
        return None
