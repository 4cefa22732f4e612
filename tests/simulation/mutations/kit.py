"""How a mutation is made and found by its name."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any
from unittest.mock import patch

Mutation = Callable[[], AbstractContextManager[Any]]
MUTATIONS: dict[str, Mutation] = {}
"""Name -> what breaks the pool in that way for as long as it is entered."""


def mutation(function: Mutation) -> Mutation:
    """Add a function that returns the patch; its name says what is wrong."""
    MUTATIONS[function.__name__.replace("_", " ")] = function
    return function


def replaced(*places: tuple[Any, str], by: Any) -> ExitStack:
    """Return the patch that puts one thing into several places."""
    stack = ExitStack()
    for owner, name in places:
        stack.enter_context(patch.object(owner, name, by))
    return stack


def nothing(*_arguments: object, **_more: object) -> tuple[()]:
    """Stand in for a planner that plans nothing."""
    return ()
