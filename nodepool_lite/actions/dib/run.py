"""One image build from start to end: disk-image-create under a supervisor, its log watched, its files published."""

import hashlib
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from nodepool_lite.actions.dib import environment, locks, supervisor
from nodepool_lite.actions.dib.build_logs import FAILED, SUCCEEDED
from nodepool_lite.actions.dib.cache import Cache
from nodepool_lite.actions.dib.host import HostTools, host_tools
from nodepool_lite.actions.dib.log import CHECKSUMS, LogReader, reason
from nodepool_lite.actions.dib.recipe import HOST_ELEMENT, Recipe
from nodepool_lite.actions.dib.sweep import partial_dir
from nodepool_lite.model.clock import Clock
from nodepool_lite.model.errors import BuildFailedError, BuildStoppedError, BuildTimeoutError
from nodepool_lite.model.image import ImageFile

_QCOW2 = b"QFI\xfb"
"""How such a file begins (QEMU, docs/interop/qcow2.txt)."""
_TICK = 0.2
_END_PATIENCE = 60.0
_PRIVATE_MAPPER = 'mkdir -p /dev/mapper && mount -t tmpfs -o mode=0755 mapper /dev/mapper && exec "$@"'


def run_build(
    recipe: Recipe, *, on_phase: Callable[[str], None], stop: threading.Event, clock: Clock
) -> tuple[ImageFile, ...]:
    """Build an image and return its files; blocks the calling thread for minutes.

    Each file appears under its final name only when it is complete, with `.sha256` and `.md5` beside it. Whatever
    happens, no process, mount, loop device or temporary file of the build is left when this returns.

    Args:
        recipe: What to build.
        on_phase: Called in this thread, with each change of what DIB is doing.
        stop: Ends the build when set.
        clock: Measures the diskimage's `build_timeout`.

    Raises:
        BuildFailedError: It ended without an image; the message is the last meaningful lines of the log.
        BuildTimeoutError: It took longer than `build_timeout` seconds.
        BuildStoppedError: `stop` was set, or somebody ended the supervisor.
    """
    deadline = clock.now() + recipe.diskimage.build_timeout
    recipe.log.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            work = held.enter_context(locks.claimed(recipe.work_dir))
            partial = held.enter_context(locks.claimed(partial_dir(recipe.output)))
        except BlockingIOError:
            raise BuildFailedError(f"{recipe.output.name} is being built already") from None
        build = _Build(recipe, (work, partial), on_phase, stop, lambda: clock.now() > deadline)
        try:
            files = build.run()
        except (BuildFailedError, BuildTimeoutError) as error:
            build.note(f"{FAILED}: {error}")
            raise
        except (OSError, subprocess.SubprocessError) as error:
            build.note(f"{FAILED}: {error}")
            raise BuildFailedError(f"{recipe.output.name}: {error}") from error
        build.note(SUCCEEDED)
        return files


class _Build:
    """One build whose directories are claimed. One thread."""

    def __init__(
        self,
        recipe: Recipe,
        held: tuple[int, int],
        on_phase: Callable[[str], None],
        stop: threading.Event,
        late: Callable[[], bool],
    ) -> None:
        self._recipe = recipe
        self._held = held
        self._on_phase = on_phase
        self._stop = stop
        self._late = late
        self._phase = ""
        self._own_cache = recipe.work_dir / "cache"
        self._partial = partial_dir(recipe.output)

    def run(self) -> tuple[ImageFile, ...]:
        """Run all of it."""
        recipe = self._recipe
        for directory in (recipe.work_dir / "tmp", recipe.work_dir / "locks"):
            directory.mkdir()
        tools = host_tools(recipe.work_dir)
        variables = environment.environment(recipe, tools.directories, self._own_cache)
        cache = Cache(recipe.work_dir.parent / ".cache", environment.cache_key(variables))
        warm = cache.take(self._own_cache)
        for sentence in (*tools.reasons, f"the cache is {'warm' if warm else 'cold'}"):
            self.note(f"nodepool-lite: {sentence}")
        try:
            self._build(tools, variables)
        except BuildFailedError:
            if self._phase and not self._phase.startswith("root.d/"):
                cache.give_back(self._own_cache)  # what it fetched is whole, and wanted when the element is mended
            raise
        files = tuple(self._measured(each) for each in recipe.formats)
        self._publish(files)
        cache.give_back(self._own_cache)
        return files

    def note(self, line: str) -> None:
        """Write a line of our own into the build's log."""
        with self._recipe.log.open("a") as file:
            file.write(f"{line}\n")

    def _build(self, tools: HostTools, variables: dict[str, str]) -> None:
        reader = LogReader(self._recipe.log)
        with self._supervised(tools, variables) as process:
            while process.poll() is None:
                self._check()
                self._say(reader.newest_phase())
                self._stop.wait(_TICK)
        self._say(reader.newest_phase())
        if process.returncode < 0:
            raise BuildFailedError(f"the supervisor of the build was killed by signal {-process.returncode}")
        if process.returncode == supervisor.ENDED:
            raise BuildStoppedError(f"{self._recipe.output.name}: the build was ended from outside")
        if process.returncode != 0:
            where = f"{self._phase}: " if self._phase else ""
            raise BuildFailedError(where + reason(self._recipe.log))

    @contextmanager
    def _supervised(self, tools: HostTools, variables: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
        recipe = self._recipe
        process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", supervisor.__name__),
                *(str(recipe.work_dir), str(self._partial), str(recipe.log)),
                *(("sh", "-c", _PRIVATE_MAPPER, "sh") if tools.private_mapper else ()),
                *shlex.split(recipe.diskimage.dib_cmd),
                *("-n", "-t", ",".join(recipe.formats), "-o", str(self._partial / "image")),
                *recipe.diskimage.elements,
                HOST_ELEMENT,
            ],
            stdin=subprocess.PIPE,
            env=variables,
            cwd=recipe.work_dir,
            pass_fds=self._held,
            start_new_session=True,
        )
        assert process.stdin is not None  # noqa: S101 - for the type checker
        try:
            yield process
        finally:
            process.stdin.close()
            process.wait(_END_PATIENCE)

    def _check(self) -> None:
        """Raise when the build is not to go on."""
        name = self._recipe.output.name
        if self._stop.is_set():
            raise BuildStoppedError(f"{name}: the builder stops")
        if self._late():
            seconds = self._recipe.diskimage.build_timeout
            raise BuildTimeoutError(
                f"not finished after {seconds:g} s (build-timeout), in {self._phase or 'its start'}"
            )

    def _measured(self, image_format: str) -> ImageFile:
        """Write the checksums of one file and return what it will be once it is published."""
        self._say(CHECKSUMS)
        source = self._partial / f"image.{image_format}"
        if problem := _problem(source, image_format):
            raise BuildFailedError(f"disk-image-create succeeded and left {problem}; see {self._recipe.log}")
        target = self._recipe.output.with_name(f"{self._recipe.output.name}.{image_format}")
        sums = {"sha256": hashlib.sha256(), "md5": hashlib.md5(usedforsecurity=False)}
        with source.open("rb") as file:
            while chunk := file.read(1 << 20):
                self._check()
                for each in sums.values():
                    each.update(chunk)
            os.fsync(file.fileno())
        for name, each in sums.items():
            source.with_name(f"{source.name}.{name}").write_text(f"{each.hexdigest()}  {target.name}\n")
        return ImageFile(
            format=image_format,
            path=str(target),
            size=source.stat().st_size,
            sha256=sums["sha256"].hexdigest(),
            md5=sums["md5"].hexdigest(),
        )

    def _publish(self, files: tuple[ImageFile, ...]) -> None:
        """Give all files their final names, each image after its checksums."""
        for file in files:
            for suffix in (".sha256", ".md5", ""):
                source = self._partial / f"image.{file.format}{suffix}"
                source.rename(f"{file.path}{suffix}")

    def _say(self, phase: str) -> None:
        if phase and phase != self._phase:
            self._phase = phase
            self._on_phase(phase)


def _problem(file: Path, image_format: str) -> str:
    """Return what is wrong with a file that is to be an image; empty when nothing is, as far as its start tells."""
    if not file.is_file():
        return f"no {image_format} file"
    if not file.stat().st_size:
        return f"an empty {image_format} file"
    with file.open("rb") as content:
        start = content.read(len(_QCOW2))
    return "a qcow2 file that is none" if image_format == "qcow2" and start != _QCOW2 else ""
