"""Our images in Glance: marked before they have content, compared with the file, and never left half uploaded."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from nodepool_lite.clouds.driver import Image, ImageSpec
from nodepool_lite.clouds.openstack.api import Api
from nodepool_lite.clouds.openstack.rows import POOL, epoch, tag
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.errors import BadRequestError, CloudError, TryAgainLaterError

UPLOAD, DISKIMAGE, BUILD = "nodepool_upload_id", "nodepool_diskimage", "nodepool_build"
"""Properties of our images, besides the pool's id."""
SAVE_TIMEOUT = 600.0
"""Seconds that Glance may take, after the last byte, to store an image."""
SETTLE_TRIES = 15
"""How often, 2 s apart, an upload whose answer was lost is looked for."""
QUEUED_TRIES = 2
"""The same while Glance says `queued`: it has not begun to take the content, which it says before the first byte."""
_GONE = frozenset({"deleted", "pending_delete"})
_BLOCK = 1 << 20


class Images:
    """The images of one pool in one region of one cloud. Thread-safe."""

    def __init__(self, api: Api, pool_id: str, clock: Clock, timeout: float) -> None:
        self._api = api
        self._pool_id = pool_id
        self._clock = clock
        self._timeout = timeout
        """Seconds that the content of an image may take."""

    def all(self) -> Sequence[Image]:
        """Return our images; raises CloudError."""
        return [
            Image(
                id=each["id"],
                upload_id=each.get(UPLOAD, ""),
                name=each["name"] or "",
                ready=each["status"] == "active",
                created=epoch(each.get("created_at", "")),
            )
            for each in self._ours()
        ]

    def add(self, spec: ImageSpec, progress: Callable[[int], None]) -> str:
        """Upload a file and return the image's id, once Glance has stored what the build made.

        Raises:
            CloudError: it could not be; nothing is left of it, as far as the cloud still answers.
        """
        for each in self._ours():
            if spec.upload_id != each.get(UPLOAD):
                continue  # perhaps of the same name: another provider's image of the same build
            if each["status"] == "active" and self._holds(each, spec, ""):
                return str(each["id"])
            self._remove(each["id"])
        image_id = self._register(spec)
        try:
            self._fill(image_id, spec, progress)
        except BaseException:
            self._discard(image_id)
            raise
        return image_id

    def delete(self, image_id: str) -> None:
        """Delete an image of ours; raises TryAgainLaterError while it is in use."""
        reply = self._api.call("look at an image", "image", "GET", f"/images/{image_id}", also=frozenset({404}))
        if reply.status == 404 or reply.body["status"] in _GONE:  # noqa: PLR2004 - RFC 9110
            return
        owner = reply.body.get(POOL)
        if owner != self._pool_id:
            raise BadRequestError(f"image {image_id} belongs to pool {owner}, not to ours ({self._pool_id})")
        self._remove(image_id)

    def _ours(self) -> list[dict[str, Any]]:
        items = self._api.all("list images", "image", "/images", "images", {"tag": tag(self._pool_id), "limit": 200})
        return [each for each in items if each.get(POOL) == self._pool_id and each["status"] not in _GONE]

    def _register(self, spec: ImageSpec) -> str:
        """Make the record of an image without content; from now on it can be found and removed."""
        diskimage, build, *_ = [*spec.upload_id.split("/"), "", ""]
        body = {
            "visibility": "private",
            **spec.meta,
            "name": spec.name,
            "disk_format": spec.format,
            "container_format": "bare",
            "tags": ["nodepool-lite", tag(self._pool_id)],
            POOL: self._pool_id,
            UPLOAD: spec.upload_id,
            DISKIMAGE: diskimage,
            BUILD: build,
        }
        reply = self._api.call("make an image", "image", "POST", "/images", json=body, makes=True)
        return str(reply.body["id"])

    def _fill(self, image_id: str, spec: ImageSpec, progress: Callable[[int], None]) -> None:
        try:
            with spec.path.open("rb") as file:
                content = _Content(file, spec.path.stat().st_size, progress, self._deadline())
                self._put(image_id, content)
        except FileNotFoundError as error:
            raise BadRequestError(f"there is no file {spec.path} to upload") from error
        if content.sha256() != spec.sha256:
            raise TryAgainLaterError(f"{spec.path} was read with another checksum than the one it was built with")
        found = self._stored(image_id)
        if not self._holds(found, spec, content.sha512()):
            raise TryAgainLaterError(f"the cloud stored something else than {spec.path}: the checksums differ")

    def _put(self, image_id: str, content: "_Content") -> None:
        """Send the content; that the answer is lost does not mean that the image is."""
        what, path = f"upload image {image_id}", f"/images/{image_id}/file"
        try:
            self._api.call(what, "image", "PUT", path, data=content, timeout=SAVE_TIMEOUT, makes=True)
        except TryAgainLaterError:
            if not content.complete:
                raise

    def _stored(self, image_id: str) -> Mapping[str, Any]:
        """Return the image once it is active."""
        for tries in range(1, SETTLE_TRIES + 1):
            found = self._api.call("look at an image", "image", "GET", f"/images/{image_id}").body
            if found["status"] == "active":
                return dict(found)
            if found["status"] not in {"saving", "importing", "queued"}:
                raise TryAgainLaterError(f"image {image_id} became {found['status']} in place of active")
            if found["status"] == "queued" and tries == QUEUED_TRIES:
                break
            self._clock.sleep(2.0)
        raise TryAgainLaterError(f"image {image_id} is still {found['status']} after it was uploaded")

    def _deadline(self) -> Callable[[], None]:
        ends = self._clock.now() + self._timeout

        def check() -> None:
            if self._clock.now() > ends:
                raise TryAgainLaterError(
                    f"the upload did not end within {self._timeout:.0f} s (`image-upload-timeout`)"
                )

        return check

    @staticmethod
    def _holds(found: Mapping[str, Any], spec: ImageSpec, sha512: str) -> bool:
        """Tell whether a stored image is the file, by its checksum (`os_hash_value`, Glance since Rocky) or size."""
        algorithm, value = str(found.get("os_hash_algo") or ""), found.get("os_hash_value")
        if not value or algorithm not in hashlib.algorithms_available:
            return bool(found.get("size") == spec.path.stat().st_size)
        known = {"sha256": spec.sha256, "sha512": sha512}.get(algorithm)
        return bool(value == (known or _digest(spec.path, algorithm)))

    def _remove(self, image_id: str) -> None:
        what, path = f"delete image {image_id}", f"/images/{image_id}"
        self._api.call(what, "image", "DELETE", path, also=frozenset({404}))

    def _discard(self, image_id: str) -> None:
        try:
            self._remove(image_id)
        except CloudError:
            return  # it carries our mark: the sweep finds it


class _Content:
    """A file as requests sends it: with a length, in blocks, and with its checksums taken on the way."""

    def __init__(self, file: IO[bytes], size: int, progress: Callable[[int], None], check: Callable[[], None]) -> None:
        self._file = file
        self._size = size
        self._progress = progress
        self._check = check
        self._sent = 0
        self._percent = -1
        self.complete = False
        """Whether all was sent: more was asked for after the last block, and there was none."""
        self._sha256 = hashlib.sha256()
        self._sha512 = hashlib.sha512()

    def __len__(self) -> int:
        return self._size

    def read(self, _size: int = -1) -> bytes:
        """Return the next block, in larger pieces than asked for: the library would send 16 KiB at a time."""
        self._check()
        block = self._file.read(_BLOCK)
        self.complete = not block
        self._sha256.update(block)
        self._sha512.update(block)
        self._sent += len(block)
        percent = 100 * self._sent // max(1, self._size)
        if percent != self._percent:
            self._percent = percent
            self._progress(percent)
        return block

    def __iter__(self) -> Iterator[bytes]:
        while block := self.read():
            yield block

    def sha256(self) -> str:
        """Return the checksum of what was sent."""
        return self._sha256.hexdigest()

    def sha512(self) -> str:
        """Return the other checksum of what was sent: Glance's own kind."""
        return self._sha512.hexdigest()


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
