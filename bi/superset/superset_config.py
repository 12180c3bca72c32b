"""Superset's settings for the Bestand dashboard: this machine only, nothing from the internet.

BESTAND_SUPERSET_HOME names the folder of the metadata database and the secret key; scripts/bi.py sets it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy.engine.url import URL

HOME = Path(os.environ["BESTAND_SUPERSET_HOME"])

SECRET_KEY = (HOME / "secret_key").read_text(encoding="ascii").strip()
SQLALCHEMY_DATABASE_URI = f"sqlite:///{HOME / 'superset.db'}?check_same_thread=false"
DATA_DIR = str(HOME)

# DuckDB is a file on this machine, which Superset calls unsafe; it is opened read-only, and DuckDB is told
# (databases/Bestand.yaml) to touch no other file.
PREVENT_UNSAFE_DB_CONNECTIONS = False


def DB_CONNECTION_MUTATOR(uri: URL, params: dict[str, Any], *_: Any) -> tuple[URL, dict[str, Any]]:
    """Opens the publish that is current now, under its own name.

    Within one process, DuckDB answers connections to one path from the file that the first of them opened, for as
    long as one is open: under steady load a new publish would never be seen. Each publish is also kept as
    publishes/<build_id>/marts.duckdb, the same file under another path; where there is none (a copy on a file
    system without hard links), the path stays.
    """
    if uri.get_backend_name() == "duckdb" and uri.database:
        file = Path(uri.database)
        for kept in sorted(file.parent.glob("publishes/*/" + file.name), reverse=True):
            try:
                if kept.samefile(file):
                    return uri.set(database=str(kept)), params
            except OSError:  # cleared away, or replaced this moment
                continue
    return uri, params


APP_NAME = "Bestand"
_LOGO = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='116' height='28'%3E"
    "%3Cg fill='%230072B2'%3E%3Crect x='0' y='4' width='20' height='5' rx='1'/%3E"
    "%3Crect x='0' y='11' width='14' height='5' rx='1' opacity='.75'/%3E"
    "%3Crect x='0' y='18' width='8' height='5' rx='1' opacity='.5'/%3E%3C/g%3E"
    "%3Ctext x='28' y='21' font-family='Inter,Helvetica,Arial,sans-serif' font-size='19' font-weight='600'"
    " fill='%231b2a38'%3EBestand%3C/text%3E%3C/svg%3E"
)
THEME_DEFAULT = {
    "token": {
        "brandAppName": APP_NAME,
        "brandLogoAlt": APP_NAME,
        "brandLogoUrl": _LOGO,
        "brandLogoMargin": "14px 0",
        "brandLogoHref": "/",
        "brandLogoHeight": "28px",
        "brandSpinnerUrl": None,
        "brandSpinnerSvg": None,
        "brandIconMaxWidth": 120,
        "colorPrimary": "#0072B2",
        "colorLink": "#0072B2",
        "colorError": "#B3261E",
        "colorWarning": "#E69F00",
        "colorSuccess": "#009E73",
        "colorInfo": "#56B4E9",
        "fontUrls": [],
        "fontFamily": "Inter, Helvetica, Arial, sans-serif",
        "fontFamilyCode": "'IBM Plex Mono', 'Courier New', monospace",
        "transitionTiming": 0.3,
        "fontSizeXS": "8",
        "fontSizeXXL": "28",
        "fontWeightNormal": "400",
        "fontWeightLight": "300",
        "fontWeightStrong": "500",
        "fontWeightBold": "700",
        "colorEditorSelection": "#fff5cf",
    },
    "algorithm": "default",
    "echartsOptionsOverrides": {"legend": {"selector": False}},  # no "All" and "Inverse" beside each legend
}
THEME_DARK = None  # one look on every screen
THEME_FONT_URL_ALLOWED_DOMAINS: list[str] = []

# Okabe and Ito's colours, which the colour-blind can tell apart, then darker ones; the dashboard names most itself.
EXTRA_CATEGORICAL_COLOR_SCHEMES = [
    {
        "id": "bestand",
        "label": "Bestand",
        "description": "Told apart by the colour-blind",
        "isDefault": True,
        "colors": [
            "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#5B6470", "#B8A000",
            "#00476F", "#8A5F00", "#00614A", "#7A3600",
        ],
    }
]  # fmt: skip
# Light enough for dark figures in every cell.
EXTRA_SEQUENTIAL_COLOR_SCHEMES = [
    {
        "id": "bestand_blues",
        "label": "Bestand blues",
        "description": "From white to sky blue",
        "isDiverging": False,
        "colors": ["#F4F8FC", "#CFE3F2", "#A3CBE6", "#6FB1DC"],
    }
]

# The browser refuses what does not come from this server.
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'", "data:"],
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    "session_cookie_secure": False,
}
MAPBOX_API_KEY = ""

# Charts below the fold are drawn too: a printed page or a screenshot is whole.
FEATURE_FLAGS = {"DASHBOARD_VIRTUALIZATION": False}
ROW_LIMIT = 5000
SUPERSET_WEBSERVER_TIMEOUT = 120
RATELIMIT_STORAGE_URI = "memory://"
