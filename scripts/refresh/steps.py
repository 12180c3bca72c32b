"""The named moments of a refresh, in one place: progress is shown there, and tests interrupt there."""

from __future__ import annotations

from collections.abc import Callable

_listeners: list[Callable[[str], None]] = []


def reached(step: str) -> None:
    """Called when a step begins; `step` is a short sentence part such as 'auditing'."""
    for listener in _listeners:
        listener(step)


def listen(listener: Callable[[str], None]) -> Callable[[], None]:
    """Has `listener` called at every step; gives the function that ends that."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)
