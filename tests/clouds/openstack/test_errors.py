"""Every answer and exception of a cloud becomes one of the four kinds."""

import json
from email.utils import formatdate
from time import time

import pytest
import requests
from keystoneauth1 import exceptions as ksa

from nodepool_lite.clouds.openstack.errors import brief, is_about_room, of_exception, of_status, retry_after
from nodepool_lite.model.errors import BadRequestError, CapacityError, CloudError, GoneError, TryAgainLaterError

QUOTA = '{"forbidden": {"code": 403, "message": "Quota exceeded for instances: Requested 1, but already used 3 of 3"}}'
POLICY = '{"forbidden": {"code": 403, "message": "Policy does not allow this to be performed."}}'
ADDRESSES = '{"NeutronError": {"type": "IpAddressGenerationFailure", "message": "No more IPs", "detail": ""}}'
OVER = '{"NeutronError": {"type": "OverQuota", "message": "used up: [floatingip]", "detail": ""}}'
CONFLICT = '{"conflictingRequest": {"code": 409, "message": "it is locked"}}'


@pytest.mark.parametrize(
    ("status", "text", "makes", "kind"),
    [
        (400, '{"badRequest": {"message": "Invalid flavorRef provided."}}', True, BadRequestError),
        (401, "{}", False, TryAgainLaterError),
        (403, QUOTA, True, CapacityError),
        (403, POLICY, True, BadRequestError),
        (404, '{"itemNotFound": {"message": "Network x could not be found."}}', True, BadRequestError),
        (404, '{"itemNotFound": {"message": "Instance x could not be found."}}', False, GoneError),
        (409, CONFLICT, True, TryAgainLaterError),
        (409, OVER, True, CapacityError),
        (409, ADDRESSES, True, CapacityError),
        (413, "Image storage media is full", True, CapacityError),
        (413, "too large", True, BadRequestError),
        (429, "{}", True, TryAgainLaterError),
        (500, "", True, TryAgainLaterError),
        (500, '{"computeFault": {"message": "quota database is away"}}', True, TryAgainLaterError),
        (501, "", False, BadRequestError),
        (503, "", True, TryAgainLaterError),
        (302, "", False, TryAgainLaterError),
    ],
)
def test_a_status_and_what_the_api_says_tell_the_kind(
    status: int, text: str, *, makes: bool, kind: type[CloudError]
) -> None:
    """Quota and policy share a status; what is missing is a wrong name when something is made."""
    assert isinstance(of_status("try", status, text, {}, makes=makes), kind)


def test_the_message_says_what_was_tried_and_what_the_api_said() -> None:
    """The cloud's own words are kept."""
    error = of_status("create a server", 403, QUOTA, {}, makes=True)
    assert str(error).startswith("could not create a server: Quota exceeded for instances: Requested 1")
    assert str(error).endswith("(HTTP 403)")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<html><head><title>409 Conflict</title></head><body><h1>409</h1>in &amp; use</body></html>", "409 in & use"),
        ('{"message": "in use<br /><br />", "code": "409"}', "in use"),
        ('{"error": {"message": "who are you", "code": 401}}', "who are you"),
        ('["odd"]', '["odd"]'),
        ("", "no reason given"),
        ("x" * 1000, "x" * 400 + "..."),
    ],
)
def test_errors_are_read_in_the_form_of_each_service(text: str, said: str) -> None:
    """JSON of Nova, Neutron and Keystone, HTML of Glance, or anything else, on one line and not too long."""
    assert str(of_status("try", 409, text, {})) == f"could not try: {said} (HTTP 409)"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ksa.ConnectFailure("refused"), TryAgainLaterError),
        (ksa.ConnectTimeout("slow"), TryAgainLaterError),
        (ksa.SSLError("expired"), TryAgainLaterError),
        (ksa.Unauthorized("no"), TryAgainLaterError),
        (ksa.InternalServerError("oops"), TryAgainLaterError),
        (ksa.EndpointNotFound("no compute"), BadRequestError),
        (ksa.MissingRequiredOptions([]), BadRequestError),
        (requests.ConnectionError("reset"), TryAgainLaterError),
        (requests.exceptions.ChunkedEncodingError("cut"), TryAgainLaterError),
        (json.JSONDecodeError("Expecting value", "{", 1), TryAgainLaterError),
        (RuntimeError("a bug"), BadRequestError),
    ],
)
def test_exceptions_of_the_libraries_are_mapped(error: Exception, kind: type[CloudError]) -> None:
    """Whichever tree they come from."""
    mapped = of_exception("list servers", error)
    assert type(mapped) is kind
    assert "could not list servers" in str(mapped)


def test_how_long_to_wait_is_read_as_a_number_or_a_date() -> None:
    """RFC 9110 has both."""
    assert retry_after({"retry-after": "7"}) == 7
    later = retry_after({"Retry-After": formatdate(time() + 30, usegmt=True)})
    assert later is not None
    assert 25 < later <= 30
    assert retry_after({"Retry-After": "soon"}) is None
    assert retry_after({}) is None


def test_a_refusal_says_when_to_come_back() -> None:
    """Its own word, or five seconds."""
    for headers, wait in (({"Retry-After": "9"}, 9.0), ({}, 5.0)):
        error = of_status("try", 429, "{}", headers)
        assert isinstance(error, TryAgainLaterError)
        assert error.retry_after == wait


@pytest.mark.parametrize(
    "fault",
    [
        "No valid host was found. There are not enough hosts available.",
        "Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures",
        "Quota exceeded, too many servers in group",
        "No fixed IP addresses available for network: x",
    ],
)
def test_faults_of_servers_tell_whether_there_was_no_room(fault: str) -> None:
    """Nova puts such servers into ERROR."""
    assert is_about_room(fault)
    assert not is_about_room("Build of instance aborted: unknown error")


def test_text_without_markup_stays_as_it_is() -> None:
    """Only tags go."""
    assert brief("less  than\n twice &lt; 3") == "less than twice < 3"
