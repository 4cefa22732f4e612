"""Repositories and a dressed-up Stream, made once."""

from collections.abc import Iterator

import pytest

from tests.elements.repositories import served, stream_9
from tests.elements.stream import Stream


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The repositories of a CentOS Stream 9 and of RDO, served."""
    top = tmp_path_factory.mktemp("repositories")
    with served(top) as url:
        stream_9(top, url)
        yield url


@pytest.fixture(scope="session")
def rdo_image(tmp_path_factory: pytest.TempPathFactory, url: str) -> Stream:
    """What an image with rdo-requirements and packstack-ready holds; copy it."""
    stream = Stream(tmp_path_factory.mktemp("rdo"), url)
    stream.add_user()
    stream.element("rdo-requirements")
    stream.element("packstack-ready", {"PACKSTACK_CONFIG_HEAT_INSTALL": "y", "PACKSTACK_CONFIG_NTP_SERVERS": "a,b"})
    return stream
