"""Builds and uploads: one of a kind at a time."""

from nodepool_lite.model.image import BUILD_TRANSITIONS, UPLOAD_TRANSITIONS, BuildState
from nodepool_lite.store.base import Snapshot
from tests.simulation.witness.changes import Watcher, entered


class Images(Watcher):
    """Looks at builds and uploads."""

    def look(self, before: Snapshot, after: Snapshot) -> None:
        """Look at what has changed."""
        for build, was in entered(after.builds, before.builds):
            self.tell("build", was, build)
            if was is not None and build.state not in BUILD_TRANSITIONS[was.state]:
                self.complain(f"build {build.id} went from {was.state} to {build.state}")
            if build.state is BuildState.BUILDING:
                self._is_alone(build.diskimage, after)
        for upload, was in entered(after.uploads, before.uploads):
            self.tell("upload", was, upload)
            if was is not None and was.created == upload.created and upload.state not in UPLOAD_TRANSITIONS[was.state]:
                self.complain(f"upload {upload.id} went from {was.state} to {upload.state}")

    def _is_alone(self, diskimage: str, records: Snapshot) -> None:
        own = (build for build in records.builds.values() if build.diskimage == diskimage)
        at_work = [build.id for build in own if build.state is BuildState.BUILDING]
        if len(at_work) > 1:
            self.complain(f"{diskimage} is built twice at a time: {', '.join(at_work)}")
