"""Logging: one event name each, ids and figures as keys; for people on a console or as JSON lines, on stderr."""

import logging
import sys
from typing import Any, Literal

import structlog


def setup(form: Literal["console", "json"], level: str = "info") -> Any:
    """Configure logging for this process and return its logger."""
    renderer: Any = structlog.processors.JSONRenderer()
    if form == "console":
        colours = sys.stderr.isatty()
        renderer = structlog.dev.ConsoleRenderer(
            colors=colours, pad_event_to=20, exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=False),
            *([structlog.processors.format_exc_info] if form == "json" else []),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries that log by the standard module may warn, and nothing more.
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s [%(levelname)s] %(name)s: %(message)s"
    )
    for noisy in ("kazoo", "paramiko"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    return structlog.get_logger("nodepool-lite")
