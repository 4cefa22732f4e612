"""What happened in one run, in words: who did what when, and to what."""

from collections.abc import Callable
from traceback import format_exc

from nodepool_lite.testing import NOW


class Story:
    """Lines that are put into words only when somebody reads them."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.crashes: list[str] = []
        """Tracebacks of errors that nobody foresaw."""
        self._now = now
        self._lines: list[tuple[float, str, str, dict[str, object]]] = []

    def tell(self, who: str, what: str, **details: object) -> None:
        """Add a line."""
        self._lines.append((self._now(), who, what, details))

    def text(self) -> str:
        """Return all of it."""
        return "\n".join(_sentence(*line) for line in self._lines)


class Voice:
    """The logger of one process: what it says goes into the story."""

    def __init__(self, story: Story, who: str) -> None:
        self._story = story
        self._who = who

    def info(self, event: str, **details: object) -> None:
        """Add what the process says."""
        self._story.tell(self._who, event, **details)

    debug = warning = error = info

    def exception(self, event: str, **details: object) -> None:
        """Add an error that nobody foresaw."""
        self._story.crashes.append(format_exc())
        self._story.tell(self._who, event, **details, traceback=self._story.crashes[-1])


def _sentence(now: float, who: str, what: str, details: dict[str, object]) -> str:
    words = " ".join(f"{key}={value}" for key, value in details.items())
    return f"{now - NOW:9.3f}  {who:16} {what} {words}".rstrip()
