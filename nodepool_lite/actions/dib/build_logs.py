"""Which logs of image builds are kept, and which have had their day."""

import re
from pathlib import Path

SUCCEEDED = "nodepool-lite: succeeded"
FAILED = "nodepool-lite: failed"
"""How the last line of a log begins when its build has ended by itself."""

_END = 4096


def prune(log_dir: Path, diskimage: str, keep: int = 7) -> tuple[Path, ...]:
    """Remove all but the newest `keep` logs (`<diskimage>-<number>.log`) of a diskimage; return what was removed.

    The newest log is always kept, it may be growing, and so are the newest of a failed and of a good build.
    """
    named = re.compile(re.escape(diskimage) + r"-\d{10}\.log")
    logs = sorted((each for each in log_dir.glob("*.log") if named.fullmatch(each.name)), reverse=True)
    kept = {*logs[: max(keep, 1)]}
    for outcome in (SUCCEEDED, FAILED):
        kept.update([each for each in logs if _last_line(each).startswith(outcome)][:1])
    removed = tuple(each for each in logs if each not in kept)
    for each in removed:
        each.unlink(missing_ok=True)
    return removed


def _last_line(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _END))
        lines = file.read().decode(errors="replace").splitlines()
    return lines[-1] if lines else ""
