"""The driver for OpenStack clouds: plain calls of their APIs, each of them one HTTP request."""

from nodepool_lite.clouds.openstack.driver import OpenStackDriver

__all__ = ["OpenStackDriver"]
