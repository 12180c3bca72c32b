"""`python -m bestand.notify`: sends a trial message over every channel that is set, and says what became of it."""

from __future__ import annotations

import sys

from . import Channels, ConfigurationError, send, trial


def main() -> int:
    """0: every channel delivered; 1: one did not; 2: none is set, or a setting is wrong."""
    try:
        channels = Channels.from_environment()
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    deliveries = send(trial(), channels)
    for one in deliveries:
        print(one, file=sys.stdout if one.is_delivered else sys.stderr)
    if not deliveries:
        print("No channel is set: see docs/notifications.md.", file=sys.stderr)
        return 2
    return 0 if all(one.is_delivered for one in deliveries) else 1


if __name__ == "__main__":
    sys.exit(main())
