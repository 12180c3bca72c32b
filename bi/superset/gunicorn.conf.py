"""How gunicorn serves Superset: one process, some threads, and an end when the process that started it ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

workers = 1
threads = 8
worker_class = "gthread"
timeout = 120
graceful_timeout = 2
loglevel = "warning"
wsgi_app = "superset.app:create_app()"


def on_starting(_: Any) -> None:
    """Watches the parent: a server whose starter was killed would otherwise stay for good."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
