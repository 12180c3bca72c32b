"""Tells people: a failed refresh, refused marts, and the morning list of new churn alerts."""

from __future__ import annotations

import os
from pathlib import Path

from .alerts import Alert, StillOpen, new_alerts, read_alerts, split
from .channels import Channels, ConfigurationError, Morning
from .delivery import Delivery, Patience, send
from .messages import Message, audit_refused, morning_list, refresh_failed, trial
from .secrets import redacted

__all__ = [
    "Alert",
    "Channels",
    "ConfigurationError",
    "Delivery",
    "Message",
    "Morning",
    "Patience",
    "StillOpen",
    "audit_refused",
    "morning_list",
    "morning_message",
    "new_alerts",
    "redacted",
    "refresh_failed",
    "send",
    "trial",
]


def morning_message(
    published: Path, previous: Path | None, link: str | None = None, morning: Morning = Morning.new
) -> Message | None:
    """The morning list of a publish; None where there is nothing to say.

    `previous` is the publish before, if there is one. Without new alerts there is a message only with Morning.always;
    a publish without the mart alerts has none. `link` defaults to BESTAND_DASHBOARD_URL. Raises NoMarts where a
    file is missing or cannot be read.
    """
    if morning is Morning.never:
        return None
    now = read_alerts(published)
    if now is None or now.as_of_date is None:
        return None
    new, still_open = split(now, read_alerts(previous) if previous else None)
    if not new and morning is not Morning.always:
        return None
    link = link or os.environ.get("BESTAND_DASHBOARD_URL") or None
    return morning_list(new, now.as_of_date, link, currency=now.currency, still_open=still_open)
