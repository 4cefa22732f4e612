"""Nova's own fake driver, made fit for hundreds of servers, for snapshots, and for tests of broken hypervisors.

A server's metadata tells what goes wrong with it: `fake-delay` (seconds that its start takes) and
`fake-fault` (`spawn`, `destroy` or `snapshot`: what fails).
"""

import io
import time
from collections.abc import Callable
from typing import Any

from nova import exception
from nova.compute import task_states
from nova.image import glance
from nova.scheduler.client import report
from nova.virt import fake

NODES = 8
SNAPSHOT_BYTES = 1 << 20


def _no_allocations(*_: object) -> dict[str, object]:
    """Stand in for one request per server of a node at every claim, which only drivers that move inventories need."""
    return {}


report.SchedulerReportClient.get_allocations_for_provider_tree = _no_allocations


def _fails(instance: Any, what: str) -> bool:
    return (instance.metadata or {}).get("fake-fault") == what


class PatientFakeDriver(fake.FakeDriver):
    """Several nodes in one compute service, so that no single one of Placement's records is written by every create."""

    vcpus = 20_000
    memory_mb = 40_000_000
    local_gb = 10_000_000

    def init_host(self, host: str) -> None:
        """Name the nodes."""
        super().init_host(host)
        self._set_nodes([f"{host}-{number}" for number in range(1, NODES + 1)])

    def spawn(self, context: Any, instance: Any, *arguments: Any, **options: Any) -> None:
        """Start a server, late or never if its metadata say so."""
        time.sleep(float((instance.metadata or {}).get("fake-delay", 0)))
        if _fails(instance, "spawn"):
            raise exception.BuildAbortException(instance_uuid=instance.uuid, reason="fake-fault says so")
        super().spawn(context, instance, *arguments, **options)

    def destroy(self, context: Any, instance: Any, *arguments: Any, **options: Any) -> None:
        """End a server, or fail to."""
        if _fails(instance, "destroy"):
            raise exception.InternalError("fake-fault says so")
        super().destroy(context, instance, *arguments, **options)

    def snapshot(self, context: Any, instance: Any, image_id: str, update_task_state: Callable[..., None]) -> None:
        """Upload a small image; Nova's fake driver uploads none, and the image would be queued for ever."""
        if _fails(instance, "snapshot"):
            raise exception.InternalError("fake-fault says so")
        service, image_id = glance.get_remote_image_service(context, image_id)
        update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
        update_task_state(task_state=task_states.IMAGE_UPLOADING, expected_state=task_states.IMAGE_PENDING_UPLOAD)
        form = {"status": "active", "disk_format": "raw", "container_format": "bare"}
        service.update(context, image_id, form, io.BytesIO(bytes(SNAPSHOT_BYTES)), purge_props=False)
