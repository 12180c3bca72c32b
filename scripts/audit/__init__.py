"""The audit: what stands between a build and a publish."""

from __future__ import annotations

from .profiles import AuditError
from .report import AuditReport, Finding
from .run import audit

__all__ = ["AuditError", "AuditReport", "Finding", "audit"]
