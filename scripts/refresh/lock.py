"""One refresh at a time. The kernel holds the lock, so it ends with its process, however that ends."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class Busy(Exception):
    """Another process holds the lock; the message says which."""


@contextmanager
def held(file: Path, action: str) -> Iterator[dict[str, Any] | None]:
    """Holds the lock in `file`; gives what a holder that never finished had written there (a stale lock), or None."""
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(handle, file)
        stale = _read(os.pread(handle, 4096, 0))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        _write(handle, {"pid": os.getpid(), "host": socket.gethostname(), "action": action, "since": now})
        yield stale
        _write(handle, None)
    except Exception:
        _forget(handle)
        raise
    finally:
        os.close(handle)


def holder(file: Path) -> dict[str, Any] | None:
    """What the last holder wrote, whether it still runs or not."""
    try:
        return _read(file.read_bytes())
    except OSError:
        return None


def is_held(file: Path) -> bool:
    """Whether some process holds the lock now."""
    try:
        handle = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError:
        return True
    finally:
        os.close(handle)


def _take(handle: int, file: Path) -> None:
    for attempt in range(4):  # is_held takes the lock for a moment
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if attempt == 3:
                raise Busy(_who(holder(file))) from error
            time.sleep(0.05)


def _who(found: dict[str, Any] | None) -> str:
    if not found:
        return "Another refresh is running."
    return (
        f"Another {found.get('action', 'refresh')} is running since {found.get('since')} "
        f"(process {found.get('pid')} on {found.get('host')})."
    )


def _read(content: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(content)
    except ValueError:  # empty, or cut off by a crash
        return None
    return found if isinstance(found, dict) else None


def _write(handle: int, content: dict[str, Any] | None) -> None:
    os.ftruncate(handle, 0)
    if content is not None:
        os.pwrite(handle, json.dumps(content).encode(), 0)


def _forget(handle: int) -> None:
    # who could not get the lock must leave the holder's words alone
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    _write(handle, None)
