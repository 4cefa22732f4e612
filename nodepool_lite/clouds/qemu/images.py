"""The images' directories: an image is there whole or not at all, and stays while an overlay needs it."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import asdict

from nodepool_lite.clouds.driver import ImageSpec
from nodepool_lite.clouds.qemu import disk, locks, records
from nodepool_lite.clouds.qemu.records import ImageRecord
from nodepool_lite.clouds.qemu.servers import Servers
from nodepool_lite.config.ownership import handed_over, made_directory
from nodepool_lite.model.errors import BadRequestError, TryAgainLaterError

_RECORD = "image.json"
_LOCK = "lock"
_CHUNK = 4 << 20
FORMATS = ("qcow2", "raw")


class Images:
    """The images of one provider. Any thread of any process may call anything."""

    def __init__(self, directory: Path, servers: Servers) -> None:
        self._directory = directory
        self._servers = servers

    def all(self) -> list[ImageRecord]:
        """Return the records of all images, whoever's."""
        found = (records.read(ImageRecord, each / _RECORD) for each in records.published(self._directory))
        return [each for each in found if each is not None]

    def get(self, image_id: str) -> ImageRecord:
        """Return an image's record; raises BadRequestError when there is none."""
        record = records.read(ImageRecord, self._directory / image_id / _RECORD) if image_id else None
        if record is None:
            raise BadRequestError(f"there is no image {image_id or '(empty)'} in {self._directory}; upload it first")
        return record

    def file(self, record: ImageRecord) -> Path:
        """Return where the image's content is."""
        return self._directory / record.id / f"disk.{record.format}"

    def add(self, spec: ImageSpec, now: float, progress: Callable[[int], None]) -> str:
        """Take in an image file and return the image's id; one of the same name and content is taken once.

        Raises:
            BadRequestError: the file is not what `spec` says of it.
        """
        if spec.format not in FORMATS:
            raise BadRequestError(f"image {spec.name}: format {spec.format} is not one of {', '.join(FORMATS)}")
        known = self._same(spec)
        if known:
            return known
        with self._unpublished() as directory:
            content = directory / f"disk.{spec.format}"
            _take_in(spec, content, progress)
            image_id = directory.name.removeprefix(".upload-")
            record = ImageRecord(
                id=image_id,
                size=disk.virtual_size(content, spec.format),
                created=now,
                **{name: value for name, value in asdict(spec).items() if name != "path"},
            )
            records.write(record, directory / _RECORD)
            handed_over(directory / _RECORD)
            with self._servers.quiet():
                known = self._same(spec)
                if known:
                    return known
                directory.rename(self._directory / image_id)
        return image_id

    def _same(self, spec: ImageSpec) -> str | None:
        for each in self.all():
            if (each.pool_id, each.name) == (spec.pool_id, spec.name):
                if each.sha256 != spec.sha256:
                    raise BadRequestError(f"image {spec.name} exists with other content; delete {each.id} first")
                return each.id
        return None

    @contextmanager
    def _unpublished(self) -> Iterator[Path]:
        """Yield a new directory that nobody sees, and remove it unless it was renamed."""
        with self._servers.quiet():
            self._sweep()
            directory = made_directory(self._directory / f".upload-{secrets.token_hex(8)}", 0o700)
            lock = locks.take(directory / _LOCK, timeout=1)
        try:
            yield directory
        finally:
            records.remove(directory)
            os.close(lock)

    def _sweep(self) -> None:
        for each in records.hidden(self._directory):
            if not locks.is_held(each / _LOCK):
                records.remove(each)

    def remove(self, record: ImageRecord) -> None:
        """Delete the image; raises TryAgainLaterError while a server's disk is an overlay on it."""
        with self._servers.quiet():
            users = [each.id for each in self._servers.all().values() if each.image_id == record.id]
            if users:
                raise TryAgainLaterError(f"image {record.name} is in use by {len(users)} servers: {', '.join(users)}")
            records.remove(self._directory / record.id)


def _take_in(spec: ImageSpec, target: Path, progress: Callable[[int], None]) -> None:
    """Link the file, or copy it where a link is not possible, and compare what is there now with `spec.sha256`."""
    if not spec.path.is_file():
        raise BadRequestError(f"image {spec.name}: there is no file {spec.path}")
    try:
        os.link(spec.path.resolve(), target)
    except OSError:  # another file system, somebody else's file, one without links
        shutil.copyfile(spec.path, target)
    digest, done, size = hashlib.sha256(), 0, max(1, target.stat().st_size)
    with target.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            progress(min(99, 100 * done // size))
    if digest.hexdigest() != spec.sha256:
        raise BadRequestError(
            f"image {spec.name}: {spec.path} has sha256 {digest.hexdigest()}, but {spec.sha256} was built; build anew"
        )
    progress(100)
