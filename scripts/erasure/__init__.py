"""Erasure: a person or an account leaves everything the project holds, and the totals stay right.

docs/privacy.md says what is removed, what stays under a random key, and where.
"""

from __future__ import annotations

from .erase import Erased, Erasing, ErasureError, erase, erase_pending, finish, pending, returned_subjects, unfinished
from .places import Places

__all__ = [
    "Erased",
    "Erasing",
    "ErasureError",
    "Places",
    "erase",
    "erase_pending",
    "finish",
    "pending",
    "returned_subjects",
    "unfinished",
]
