"""Keeps secrets out of what is written or sent, also where somebody else's error message carries one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlsplit

HIDDEN = "***"
SHORTEST = 6  # a shorter value would be found in innocent words; the patterns below still apply

NAMES = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|WEBHOOK|_DSN$|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY", re.I)
IN_URL = re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]*(?=@)")
IN_SETTINGS = re.compile(
    r"""\b(password|passwd|pwd|secret|token|api_?key)(\s*[=:]\s*)('[^']*'|"[^"]*"|[^\s,;&)'"]+)""", re.I
)


def redacted(text: str, environment: Mapping[str, str] | None = None) -> str:
    """The text without the values of secret environment variables, passwords in URLs and `password=...`.

    A variable is secret when its name says so (PASSWORD, SECRET, TOKEN, WEBHOOK ...).
    """
    return redactor(environment)(text)


def redactor(environment: Mapping[str, str] | None = None) -> Callable[[str], str]:
    """The same for many texts: the environment is read once."""
    values = sorted(_secrets(os.environ if environment is None else environment), key=len, reverse=True)
    known = re.compile("|".join(map(re.escape, values))) if values else None

    def without_secrets(text: str) -> str:
        text = known.sub(HIDDEN, text) if known else text
        return IN_SETTINGS.sub(rf"\1\2{HIDDEN}", IN_URL.sub(HIDDEN, text))

    return without_secrets


def _secrets(environment: Mapping[str, str]) -> set[str]:
    found = set()
    for name, value in environment.items():
        if not NAMES.search(name):
            continue
        for one in (value.strip(), *_parts(value.strip())):
            found |= {one, quote(one, safe="")}
    return {one for one in found if len(one) >= SHORTEST}


def _parts(value: str) -> list[str]:
    # of a URL what makes it secret: errors often show only that
    try:
        url = urlsplit(value)
    except ValueError:
        return []
    if not url.netloc:
        return []
    after_host = value.split(url.netloc, 1)[1]
    return [after_host, url.path, url.query, url.password or ""]
