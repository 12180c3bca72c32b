"""Where messages go, read from the environment. Nothing here shows a secret: no repr, no error."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from ssl import create_default_context
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr

Choice = TypeVar("Choice", bound=StrEnum)

# bare addresses, without names; what else a mail server would take is not needed to reach a person
ADDRESS = re.compile(r"[!-?A-Z\[-~]+@[A-Za-z0-9.-]+")
THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


class ConfigurationError(ValueError):
    """A setting is missing or wrong: one sentence that names the variable, never its value."""


class Security(StrEnum):
    """How the connection to the mail server is encrypted."""

    starttls = "starttls"
    ssl = "ssl"
    none = "none"


class Morning(StrEnum):
    """When the morning list is sent: when there are new alerts, each time, never."""

    new = "new"
    always = "always"
    never = "never"


PORTS = {Security.starttls: 587, Security.ssl: 465, Security.none: 25}


@dataclass(frozen=True)
class Webhook:
    """An address that takes Slack-compatible JSON. Who knows it can post there: all but the host is secret."""

    url: SecretStr

    @property
    def host(self) -> str:
        return urlsplit(self.url.get_secret_value()).hostname or ""


@dataclass(frozen=True)
class Mail:
    """A mail server, who signs in there, and whom the messages are from and to."""

    host: str
    port: int
    security: Security
    user: SecretStr | None
    password: SecretStr | None
    sender: str
    recipients: tuple[str, ...]

    def __repr__(self) -> str:
        # addresses are personal data: their number will do
        return f"Mail(host={self.host!r}, port={self.port}, {self.security.value}, recipients={len(self.recipients)})"


@dataclass(frozen=True)
class Channels:
    """All that is set; without settings there is no channel, and nothing is sent."""

    webhook: Webhook | None = None
    mail: Mail | None = None
    morning: Morning = Morning.new
    ca_file: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Channels:
        """Reads BESTAND_WEBHOOK_URL, BESTAND_SMTP_*, BESTAND_CA_FILE and BESTAND_MORNING_LIST; empty is not set.

        Raises ConfigurationError where one is missing or wrong.
        """
        settings = os.environ if environment is None else environment
        given = {name: value.strip() for name, value in settings.items() if value.strip()}
        return cls(_webhook(given), _mail(given), _choice(given, "BESTAND_MORNING_LIST", Morning.new), _ca_file(given))


def _webhook(given: Mapping[str, str]) -> Webhook | None:
    name = "BESTAND_WEBHOOK_URL"
    if name not in given:
        return None
    scheme, host = _scheme_and_host(given[name])
    if not host or not given[name].isascii() or any(sign.isspace() for sign in given[name]):
        raise ConfigurationError(f"{name} is no web address: expected https://host/path.")
    if scheme != "https" and not (scheme == "http" and host in THIS_MACHINE):
        raise ConfigurationError(
            f"{name} must begin with https://, as the address is a secret (http only to this machine)."
        )
    return Webhook(SecretStr(given[name]))


def _scheme_and_host(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        _ = parts.port
        return parts.scheme, parts.hostname or ""
    except ValueError:
        return "", ""


def _mail(given: Mapping[str, str]) -> Mail | None:
    host = given.get("BESTAND_SMTP_HOST")
    if host is None:
        for name in sorted(given):
            if name.startswith("BESTAND_SMTP_"):
                raise ConfigurationError(f"{name} is set, but BESTAND_SMTP_HOST is not: set both or none.")
        return None
    security = _choice(given, "BESTAND_SMTP_SECURITY", Security.starttls)
    user, password = given.get("BESTAND_SMTP_USER"), given.get("BESTAND_SMTP_PASSWORD")
    if (user is None) != (password is None):
        missing = "BESTAND_SMTP_USER" if user is None else "BESTAND_SMTP_PASSWORD"
        raise ConfigurationError(
            f"{missing} is missing: set BESTAND_SMTP_USER and BESTAND_SMTP_PASSWORD both, or neither."
        )
    if password is not None and security is Security.none:
        raise ConfigurationError(
            "BESTAND_SMTP_SECURITY is none, but a password goes over an encrypted connection only: use starttls or ssl."
        )
    senders = _addresses(given, "BESTAND_SMTP_FROM")
    if len(senders) != 1:
        raise ConfigurationError("BESTAND_SMTP_FROM must be one e-mail address.")
    return Mail(
        host=host,
        port=_port(given, PORTS[security]),
        security=security,
        user=None if user is None else SecretStr(user),
        password=None if password is None else SecretStr(password),
        sender=senders[0],
        recipients=_addresses(given, "BESTAND_SMTP_TO"),
    )


def _port(given: Mapping[str, str], default: int) -> int:
    text = given.get("BESTAND_SMTP_PORT", str(default))
    if not (text.isdecimal() and text.isascii() and 0 < int(text[:6]) < 65536):
        raise ConfigurationError("BESTAND_SMTP_PORT must be a number from 1 to 65535.")
    return int(text)


def _addresses(given: Mapping[str, str], name: str) -> tuple[str, ...]:
    if name not in given:
        raise ConfigurationError(f"{name} is missing: BESTAND_SMTP_HOST is set, so it must be too.")
    found = tuple(one.strip() for one in given[name].split(","))
    if not all(ADDRESS.fullmatch(one) for one in found):
        raise ConfigurationError(f"{name} holds something that is no e-mail address: expected a@b.org, c@d.org.")
    return found


def _choice(given: Mapping[str, str], name: str, default: Choice) -> Choice:
    values = [one.value for one in type(default)]
    text = given.get(name, default.value).lower()
    if text not in values:
        raise ConfigurationError(f"{name} must be one of {', '.join(values)}.")
    return type(default)(text)


def _ca_file(given: Mapping[str, str]) -> Path | None:
    name = "BESTAND_CA_FILE"
    if name not in given:
        return None
    path = Path(given[name])
    try:
        create_default_context(cafile=path)
        is_read = True
    except (OSError, ValueError):
        is_read = False
    if not is_read:
        raise ConfigurationError(f"{name} names no file with certificates in PEM form that can be read.")
    return path
