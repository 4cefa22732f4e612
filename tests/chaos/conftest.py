"""The real OpenStack of tests/cloud, which a run on real parts needs."""

from tests.cloud.conftest import cloud

__all__ = ["cloud"]
