"""Messages and their delivery, against servers that run here; and that no secret gets out on the way."""

from __future__ import annotations

import base64
import datetime as dt
import email
import email.policy
import io
import json
import logging
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from decimal import Decimal
from email.message import EmailMessage
from email.utils import format_datetime, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from bestand import notify
from bestand.notify import channels as settings
from bestand.notify import delivery, render
from bestand.notify.messages import Item, Section
from bestand.warehouse import NoMarts
from project import ROOT, Warehouse

TOKEN = "T0KEN-very/secret"
PASSWORD = "p&ss wörd-Sesam".replace("ö", "o")
USER = "postbote-4711"
WHO = "ops@example.org"
SECRETS = (TOKEN, PASSWORD, USER, WHO)

QUICK = notify.Patience(attempts=4, total=8.0, first_wait=0.02, connect=1.0, answer=0.5)


# --- the scanner, and that it finds what it looks for ---


def forms(secret: str) -> set[str]:
    """A secret as it is, as part of an address, and as sign-ins encode it."""
    encoded = {base64.b64encode(text.encode()).decode().rstrip("=") for text in (secret, f"\0{USER}\0{secret}")}
    return {secret, quote(secret), quote(secret, safe=""), *encoded}


def leaks(text: str) -> set[str]:
    return {form for secret in SECRETS for form in forms(secret) if form in text}


class Witness:
    """Sees what a process lets out: log records of every level, both outputs, and what it is shown."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self.capfd = capfd
        self.log = io.StringIO()
        self.shown: list[str] = []

    def show(self, *values: Any) -> None:
        for value in values:
            if isinstance(value, BaseException):
                self.shown += [*traceback.format_exception(value), str(value), repr(value), repr(vars(value))]
            else:
                self.shown += [str(value), repr(value), repr(getattr(value, "__dict__", ""))]

    def text(self) -> str:
        out, err = self.capfd.readouterr()
        self.shown += [out, err]
        return "\n".join([*self.shown, self.log.getvalue()])


@pytest.fixture(autouse=True)
def witness(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Witness]:
    """Watches every test of this file; at its end none of the secrets may have been let out."""
    for name in [name for name in os.environ if name.startswith("BESTAND_") and name != "BESTAND_TEST_DEMO"]:
        monkeypatch.delenv(name)
    seen = Witness(capfd)
    handler = logging.StreamHandler(seen.log)
    monkeypatch.setattr(logging.getLogger("mail.log"), "propagate", False)  # the server's own, which runs here too
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield seen
    root.removeHandler(handler)
    root.setLevel(level)
    assert not leaks(seen.text())


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "way",
    [
        lambda secret, seen: logging.getLogger("some.library").debug("asking %s", quote(secret)),
        lambda secret, seen: print(secret),
        lambda secret, seen: print(base64.b64encode(secret.encode()).decode(), file=sys.stderr),
        lambda secret, seen: seen.show(ValueError(secret)),
        lambda secret, seen: seen.show(notify.Delivery("webhook", secret, "failed", 1, 0.0)),
    ],
)
def test_the_scanner_finds_a_planted_secret(
    secret: str, way: Callable[[str, Witness], None], capfd: pytest.CaptureFixture[str]
) -> None:
    seen = Witness(capfd)
    handler = logging.StreamHandler(seen.log)
    logger = logging.getLogger("some.library")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        assert not leaks(seen.text())
        way(secret, seen)
        assert leaks(seen.text())
    finally:
        logger.removeHandler(handler)
        logger.propagate = True


# --- settings ---


def environment(**changes: str | None) -> dict[str, str]:
    """Settings for both channels, with changes; None takes one out."""
    settings = {
        "BESTAND_WEBHOOK_URL": f"https://hooks.example.org/services/{TOKEN}",
        "BESTAND_SMTP_HOST": "mail.example.org",
        "BESTAND_SMTP_USER": USER,
        "BESTAND_SMTP_PASSWORD": PASSWORD,
        "BESTAND_SMTP_FROM": "bestand@example.org",
        "BESTAND_SMTP_TO": f"{WHO}, second@example.org",
        **changes,
    }
    return {name: value for name, value in settings.items() if value is not None}


def test_settings_are_read_and_shown_without_secrets(witness: Witness) -> None:
    found = notify.Channels.from_environment(environment())
    assert found.webhook is not None and found.mail is not None
    assert found.webhook.url.get_secret_value().endswith(TOKEN)
    assert (found.mail.host, found.mail.port, found.mail.security) == ("mail.example.org", 587, "starttls")
    assert found.mail.user is not None and found.mail.user.get_secret_value() == USER
    assert found.mail.password is not None and found.mail.password.get_secret_value() == PASSWORD
    assert found.mail.recipients == (WHO, "second@example.org")
    assert found.morning == "new"
    assert "recipients=2" in repr(found) and "hooks.example.org" not in repr(found.mail)
    witness.shown += [repr(found), str(found), repr(found.webhook), repr(found.mail), f"{found.mail.password}"]


def test_without_settings_there_is_no_channel_and_nothing_is_sent() -> None:
    none = notify.Channels.from_environment({"BESTAND_WEBHOOK_URL": " ", "PATH": "/bin"})
    assert none == notify.Channels()
    assert notify.send(notify.trial(), none) == []


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("SSL", 465), ("none", 25)])
def test_the_port_follows_from_the_security_unless_given(security: str, port: int) -> None:
    given = environment(BESTAND_SMTP_SECURITY=security, BESTAND_SMTP_USER=None, BESTAND_SMTP_PASSWORD=None)
    assert notify.Channels.from_environment(given).mail.port == port
    assert notify.Channels.from_environment({**given, "BESTAND_SMTP_PORT": "2525"}).mail.port == 2525


WRONG = [
    ("BESTAND_WEBHOOK_URL", {"BESTAND_WEBHOOK_URL": f"http://hooks.example.org/{TOKEN}"}),
    ("BESTAND_WEBHOOK_URL", {"BESTAND_WEBHOOK_URL": f"{TOKEN}"}),
    ("BESTAND_WEBHOOK_URL", {"BESTAND_WEBHOOK_URL": f"https:///{TOKEN}"}),
    ("BESTAND_WEBHOOK_URL", {"BESTAND_WEBHOOK_URL": f"https://[bad/{TOKEN}"}),
    ("BESTAND_WEBHOOK_URL", {"BESTAND_WEBHOOK_URL": f"https://host:port/{TOKEN}"}),
    ("BESTAND_WEBHOOK_URL", {"BESTAND_WEBHOOK_URL": f"https://host.org/ {TOKEN}"}),
    ("BESTAND_WEBHOOK_URL", {"BESTAND_WEBHOOK_URL": f"ftp://localhost/{TOKEN}"}),
    ("BESTAND_SMTP_PORT", {"BESTAND_SMTP_PORT": PASSWORD}),
    ("BESTAND_SMTP_PORT", {"BESTAND_SMTP_PORT": "0"}),
    ("BESTAND_SMTP_PORT", {"BESTAND_SMTP_PORT": "65536"}),
    ("BESTAND_SMTP_PORT", {"BESTAND_SMTP_PORT": "587587587587587"}),
    ("BESTAND_SMTP_PASSWORD", {"BESTAND_SMTP_PASSWORD": None}),
    ("BESTAND_SMTP_USER", {"BESTAND_SMTP_USER": None}),
    ("BESTAND_SMTP_FROM", {"BESTAND_SMTP_FROM": None}),
    ("BESTAND_SMTP_FROM", {"BESTAND_SMTP_FROM": f"{WHO}, a@example.org"}),
    ("BESTAND_SMTP_FROM", {"BESTAND_SMTP_FROM": PASSWORD}),
    ("BESTAND_SMTP_TO", {"BESTAND_SMTP_TO": None}),
    ("BESTAND_SMTP_TO", {"BESTAND_SMTP_TO": f"{WHO},"}),
    ("BESTAND_SMTP_TO", {"BESTAND_SMTP_TO": f"{WHO}\r\nBcc: {WHO}"}),
    ("BESTAND_SMTP_TO", {"BESTAND_SMTP_TO": "a@"}),
    ("BESTAND_SMTP_HOST", {"BESTAND_SMTP_HOST": None}),
    ("BESTAND_SMTP_SECURITY", {"BESTAND_SMTP_SECURITY": PASSWORD}),
    ("BESTAND_SMTP_SECURITY", {"BESTAND_SMTP_SECURITY": "none"}),
    ("BESTAND_MORNING_LIST", {"BESTAND_MORNING_LIST": PASSWORD}),
    ("BESTAND_CA_FILE", {"BESTAND_CA_FILE": f"/nowhere/{TOKEN}"}),
    ("BESTAND_CA_FILE", {"BESTAND_CA_FILE": __file__}),
]


@pytest.mark.parametrize(("name", "changes"), WRONG)
def test_a_wrong_setting_is_one_sentence_that_names_it_and_not_its_value(
    name: str, changes: dict[str, str | None], witness: Witness
) -> None:
    with pytest.raises(notify.ConfigurationError) as caught:
        notify.Channels.from_environment(environment(**changes))
    said = str(caught.value)
    assert name in said and said.endswith(".") and said.count("\n") == 0
    assert caught.value.__context__ is None  # what a library said of the value is not dragged along
    witness.show(caught.value)


# --- a server for webhooks ---


class Hook:
    """A web server whose answers are given beforehand, one after another; the last goes on."""

    def __init__(self, *answers: tuple[int, dict[str, str]] | Callable[[BaseHTTPRequestHandler], None]) -> None:
        self.answers = list(answers) or [(200, {})]
        self.requests: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.port = 0

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(one["body"]) for one in self.requests]


@contextmanager
def serving(hook: Hook, certificate: ssl.SSLContext | None = None) -> Iterator[Hook]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.times.append(time.monotonic())
            hook.requests.append({"path": self.path, "headers": dict(self.headers), "body": body})
            answer = hook.answers.pop(0) if len(hook.answers) > 1 else hook.answers[0]
            if callable(answer):
                answer(self)
                return
            status, headers = answer
            self.send_response(status)
            for name, value in {"Content-Length": str(len(TOKEN)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(TOKEN.encode())  # a server may well repeat what it was asked

        do_GET = do_POST

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    server.handle_error = lambda *_: None
    if certificate:
        server.socket = certificate.wrap_socket(server.socket, server_side=True)
    hook.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def to_hook(port: int, **more: str) -> notify.Channels:
    return notify.Channels.from_environment(
        {"BESTAND_WEBHOOK_URL": f"http://127.0.0.1:{port}/services/{TOKEN}?key={quote(PASSWORD)}", **more}
    )


def deliver(
    witness: Witness,
    channels: notify.Channels,
    message: notify.Message | None = None,
    patience: notify.Patience = QUICK,
) -> notify.Delivery:
    (found,) = notify.send(message or notify.trial(), channels, patience)
    witness.show(found, channels)
    return found


def test_a_webhook_gets_the_message_once(witness: Witness) -> None:
    with serving(Hook()) as hook:
        found = deliver(witness, to_hook(hook.port))
    assert (found.channel, found.to, found.status, found.attempts, found.reason) == (
        "webhook", "127.0.0.1", "delivered", 1, "",
    )  # fmt: skip
    assert found.is_delivered and str(found) == "webhook to 127.0.0.1: delivered"
    (request,) = hook.requests
    assert request["path"] == f"/services/{TOKEN}?key={quote(PASSWORD)}"
    assert request["headers"]["Content-Type"] == "application/json; charset=utf-8"
    assert hook.bodies[0]["blocks"][0]["text"]["text"] == "Bestand can reach you"


def test_the_libraries_would_log_the_address_but_for_the_filter(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(Hook()) as hook:
        found = Witness(capfd)
        handler = logging.StreamHandler(found.log)
        logger = logging.getLogger("urllib3.connectionpool")
        monkeypatch.setattr(logger, "propagate", False)
        logger.addHandler(handler)
        for one in list(logger.filters):
            logger.removeFilter(one)
        monkeypatch.setattr(delivery, "_silent", nullcontext)
        notify.send(notify.trial(), to_hook(hook.port), QUICK)
        logger.removeHandler(handler)
    assert leaks(found.text())


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_a_passing_fault_is_tried_again(status: int, witness: Witness) -> None:
    with serving(Hook((status, {}), (status, {}), (200, {}))) as hook:
        found = deliver(witness, to_hook(hook.port))
    assert (found.status, found.attempts, found.reason) == ("delivered", 3, "")
    assert hook.bodies[0] == hook.bodies[1] == hook.bodies[2]


def test_the_pauses_grow(witness: Witness) -> None:
    with serving(Hook((500, {}))) as hook:
        found = deliver(witness, to_hook(hook.port), patience=replace(QUICK, attempts=4, first_wait=0.1))
    assert (found.status, found.attempts, found.reason) == ("failed", 4, "HTTP 500 Internal Server Error")
    first, second, third = [later - sooner for sooner, later in zip(hook.times, hook.times[1:], strict=False)]
    # 0.1, 0.2, 0.4 and up to 0.1 of chance on top of each
    assert first < third and 0.1 <= first < 0.35 and 0.2 <= second < 0.45 and 0.4 <= third < 0.65


@pytest.mark.parametrize(
    "how", [lambda: "1", lambda: format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2))]
)
def test_retry_after_is_waited_for(how: Callable[[], str], witness: Witness) -> None:
    with serving(Hook((429, {"Retry-After": how()}), (200, {}))) as hook:
        found = deliver(witness, to_hook(hook.port))
    assert (found.status, found.attempts) == ("delivered", 2)
    assert 0.9 <= hook.times[1] - hook.times[0] < 3.5


def test_a_retry_after_beyond_the_time_left_ends_the_tries(witness: Witness) -> None:
    with serving(Hook((429, {"Retry-After": "3600"}))) as hook:
        found = deliver(witness, to_hook(hook.port))
    assert (found.status, found.attempts) == ("failed", 1)
    assert found.reason == "HTTP 429 Too Many Requests, with the wish to wait 3600 s"
    assert found.seconds < 2


@pytest.mark.parametrize("header", ["soon", "-5", "", "Mon, 99 Foo 2026 25:61:00 GMT"])
def test_a_retry_after_without_sense_is_left_alone(header: str, witness: Witness) -> None:
    with serving(Hook((503, {"Retry-After": header}), (200, {}))) as hook:
        assert deliver(witness, to_hook(hook.port)).status == "delivered"
    assert hook.times[1] - hook.times[0] < 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 499])
def test_a_lasting_fault_is_not_tried_again(status: int, witness: Witness) -> None:
    with serving(Hook((status, {}))) as hook:
        found = deliver(witness, to_hook(hook.port))
    assert (found.status, found.attempts, len(hook.requests)) == ("failed", 1, 1)
    assert found.reason.startswith(f"HTTP {status}")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int, witness: Witness) -> None:
    with serving(Hook()) as other, serving(Hook((status, {"Location": f"http://127.0.0.1:{other.port}/"}))) as hook:
        found = deliver(witness, to_hook(hook.port))
        assert (found.status, found.attempts, len(other.requests)) == ("failed", 1, 0)
    assert "redirect that is not followed" in found.reason


def slow(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(1.2)


def test_no_answer_is_tried_again(witness: Witness) -> None:
    with serving(Hook(slow, (200, {}))) as hook:
        found = deliver(witness, to_hook(hook.port))
    assert (found.status, found.attempts) == ("delivered", 2)


def drip(handler: BaseHTTPRequestHandler) -> None:
    # an answer that never ends, and never lets the time-out between two bytes pass
    handler.connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for _ in range(40):
        handler.connection.sendall(b"X-Slow: 1\r\n")
        time.sleep(0.1)


def test_it_ends_in_time_whatever_the_server_does(witness: Witness) -> None:
    with serving(Hook(drip)) as hook:
        begin = time.monotonic()
        found = deliver(witness, to_hook(hook.port), patience=replace(QUICK, total=1.0))
        assert time.monotonic() - begin < 1.6
    assert (found.status, found.reason) == ("failed", "no end after 1 s")


def test_a_server_that_is_not_there_is_tried_again(witness: Witness) -> None:
    with serving(Hook()) as hook:
        port = hook.port
    found = deliver(witness, to_hook(port))
    assert (found.status, found.attempts, found.reason) == ("failed", 4, "it cannot be reached")


def test_a_connection_that_breaks_off_is_tried_again(witness: Witness) -> None:
    def hang_up(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.close()

    with serving(Hook(hang_up, (200, {}))) as hook:
        assert deliver(witness, to_hook(hook.port)).attempts == 2


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> str:
    """A file with the certificate that the servers' certificates are signed with."""
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return str(file)


def certificate(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def test_a_certificate_is_checked(authority: trustme.CA, trusted: str, witness: Witness) -> None:
    with serving(Hook(), certificate(authority, "127.0.0.1")) as hook:
        url = f"https://127.0.0.1:{hook.port}/{TOKEN}"
        unknown = deliver(witness, notify.Channels.from_environment({"BESTAND_WEBHOOK_URL": url}))
        known = deliver(
            witness, notify.Channels.from_environment({"BESTAND_WEBHOOK_URL": url, "BESTAND_CA_FILE": trusted})
        )
    assert (unknown.status, unknown.attempts, unknown.reason) == ("failed", 1, "its certificate is not to be trusted")
    assert (known.status, len(hook.requests)) == ("delivered", 1)


def test_a_certificate_for_another_name_is_refused(authority: trustme.CA, trusted: str, witness: Witness) -> None:
    with serving(Hook(), certificate(authority, "other.example.org")) as hook:
        url = f"https://127.0.0.1:{hook.port}/{TOKEN}"
        found = deliver(
            witness, notify.Channels.from_environment({"BESTAND_WEBHOOK_URL": url, "BESTAND_CA_FILE": trusted})
        )
    assert (found.status, found.attempts, len(hook.requests)) == ("failed", 1, 0)


def test_an_error_nobody_thought_of_is_a_failed_delivery(monkeypatch: pytest.MonkeyPatch, witness: Witness) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError(f"{TOKEN} {PASSWORD}")

    monkeypatch.setattr(render, "slack", broken)
    with serving(Hook()) as hook:
        found = deliver(witness, to_hook(hook.port))
    assert (found.status, found.attempts, found.reason) == ("failed", 0, "an error nobody thought of (RuntimeError)")


# --- a mail server ---


class Postman:
    """Takes mail down; answers to RCPT and DATA may be given beforehand."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, list[str], EmailMessage]] = []
        self.to_data: list[str] = []
        self.to_recipient: dict[str, list[str]] = {}
        self.signed_in: list[bool] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        answers = self.to_recipient.get(address)
        if answers:
            return answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.to_data:
            return self.to_data.pop(0)
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.letters.append((envelope.mail_from, list(envelope.rcpt_tos), letter))
        self.signed_in.append(bool(session.authenticated))
        return "250 OK"


@contextmanager
def post_office(postman: Postman, context: ssl.SSLContext | None = None, *, implicit: bool = False) -> Iterator[int]:
    def sign_in(server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()), handled=False)

    options: dict[str, Any] = {"authenticator": sign_in}
    if implicit:
        controller = Controller(
            postman, hostname="127.0.0.1", port=_free_port(), ssl_context=context, auth_require_tls=False, **options
        )
    else:
        if context:
            options |= {"tls_context": context, "require_starttls": True, "auth_required": True}
        controller = Controller(postman, hostname="127.0.0.1", port=_free_port(), **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def to_post(port: int, **changes: str | None) -> notify.Channels:
    given = environment(BESTAND_WEBHOOK_URL=None, BESTAND_SMTP_HOST="127.0.0.1", BESTAND_SMTP_PORT=str(port), **changes)
    return notify.Channels.from_environment(given)


PLAIN: dict[str, str | None] = {
    "BESTAND_SMTP_SECURITY": "none", "BESTAND_SMTP_USER": None, "BESTAND_SMTP_PASSWORD": None,
}  # fmt: skip


def test_mail_is_sent_signed_in_over_starttls(authority: trustme.CA, trusted: str, witness: Witness) -> None:
    postman = Postman()
    with post_office(postman, certificate(authority, "127.0.0.1")) as port:
        found = deliver(witness, to_post(port, BESTAND_CA_FILE=trusted))
    assert (found.channel, found.to, found.status, found.attempts) == ("mail", "127.0.0.1", "delivered", 1)
    ((sender, recipients, letter),) = postman.letters
    assert (sender, recipients) == ("bestand@example.org", [WHO, "second@example.org"])
    assert postman.signed_in == [True]
    assert letter["Subject"] == "Bestand can reach you"


def test_mail_is_sent_over_tls_from_the_start(authority: trustme.CA, trusted: str, witness: Witness) -> None:
    postman = Postman()
    with post_office(postman, certificate(authority, "127.0.0.1"), implicit=True) as port:
        found = deliver(witness, to_post(port, BESTAND_CA_FILE=trusted, BESTAND_SMTP_SECURITY="ssl"))
    assert (found.status, postman.signed_in) == ("delivered", [True])


def test_mail_goes_without_sign_in_and_encryption_where_that_is_asked_for(witness: Witness) -> None:
    postman = Postman()
    with post_office(postman) as port:
        found = deliver(witness, to_post(port, **PLAIN))
    assert (found.status, postman.signed_in) == ("delivered", [False])


def test_a_refused_sign_in_is_not_tried_again(authority: trustme.CA, trusted: str, witness: Witness) -> None:
    postman = Postman()
    with post_office(postman, certificate(authority, "127.0.0.1")) as port:
        found = deliver(witness, to_post(port, BESTAND_CA_FILE=trusted, BESTAND_SMTP_PASSWORD=PASSWORD + "!"))
    assert (found.status, found.attempts, found.reason) == ("failed", 1, "the sign-in was refused (SMTP 535)")
    assert not postman.letters


def test_no_password_leaves_without_starttls(witness: Witness) -> None:
    postman = Postman()
    with post_office(postman) as port:
        found = deliver(witness, to_post(port))
    assert (found.status, found.attempts) == ("failed", 1)
    assert found.reason == "it does not offer STARTTLS or the sign-in asked for"


def test_no_password_leaves_before_the_certificate_is_trusted(authority: trustme.CA, witness: Witness) -> None:
    postman = Postman()
    with post_office(postman, certificate(authority, "127.0.0.1")) as port:
        found = deliver(witness, to_post(port))
    assert (found.status, found.attempts, postman.letters) == ("failed", 1, [])
    assert found.reason.startswith("its certificate is not to be trusted")


def test_mail_put_off_is_sent_again_as_the_same_message(witness: Witness) -> None:
    postman = Postman()
    postman.to_data = [f"451 4.3.0 Try later, {USER}", "421 Too busy"]
    with post_office(postman) as port:
        found = deliver(witness, to_post(port, **PLAIN))
    assert (found.status, found.attempts) == ("delivered", 3)
    assert len(postman.letters) == 1


def test_mail_refused_for_good_is_not_sent_again(witness: Witness) -> None:
    postman = Postman()
    postman.to_data = [f"554 5.7.1 Not from {USER} to {WHO}"]
    with post_office(postman) as port:
        found = deliver(witness, to_post(port, **PLAIN))
    assert (found.status, found.attempts, found.reason) == ("failed", 1, "it was refused (SMTP 554)")


def test_recipients_that_were_put_off_are_tried_again_and_the_others_left_in_peace(witness: Witness) -> None:
    postman = Postman()
    postman.to_recipient = {WHO: ["450 4.2.0 Greylisted"]}
    with post_office(postman) as port:
        found = deliver(witness, to_post(port, **PLAIN))
    assert (found.status, found.attempts) == ("delivered", 2)
    assert [recipients for _, recipients, _ in postman.letters] == [["second@example.org"], [WHO]]


def test_a_recipient_that_is_refused_is_counted(witness: Witness) -> None:
    postman = Postman()
    postman.to_recipient = {WHO: [f"550 5.1.1 No such user {WHO}"] * 9}
    with post_office(postman) as port:
        found = deliver(witness, to_post(port, **PLAIN))
    assert (found.status, found.attempts, found.reason) == ("partial", 1, "1 of 2 recipients refused (550)")
    assert not found.is_delivered and len(postman.letters) == 1


def test_when_all_recipients_are_refused_it_has_failed(witness: Witness) -> None:
    postman = Postman()
    postman.to_recipient = {name: ["550 5.1.1 Unknown"] * 9 for name in (WHO, "second@example.org")}
    with post_office(postman) as port:
        found = deliver(witness, to_post(port, **PLAIN))
    assert (found.status, found.attempts, found.reason) == ("failed", 1, "2 of 2 recipients refused (550)")


def test_a_mail_server_that_is_not_there_is_tried_again(witness: Witness) -> None:
    found = deliver(witness, to_post(_free_port(), **PLAIN))
    assert (found.status, found.attempts, found.reason) == ("failed", 4, "it cannot be reached")


def test_channels_do_not_wait_for_each_other(witness: Witness) -> None:
    postman = Postman()
    with serving(Hook(drip)) as hook, post_office(postman) as port:
        both = replace(to_post(port, **PLAIN), webhook=to_hook(hook.port).webhook)
        webhook, mail = notify.send(notify.trial(), both, replace(QUICK, total=1.5))
        witness.show(webhook, mail)
    assert (webhook.channel, webhook.status) == ("webhook", "failed")
    assert (mail.channel, mail.status) == ("mail", "delivered")
    assert mail.seconds < 1


# --- what is said ---

RUN = {
    "build_id": "20260701T060000Z-3fa9c1", "action": "refresh", "status": "failed", "exit_code": 4,
    "reason": "model mrr_monthly (models/marts/retention/mrr_monthly.sql): error\n  Out of memory", "seconds": 61.4,
    "as_of_date": "2026-07-01",
}  # fmt: skip
FINDINGS: list[dict[str, Any]] = [
    {"tool": "dbt", "test": "alerts_rules", "mart": "alerts", "column_name": None, "severity": "error",
     "status": "fail", "failures": 1234, "message": "Got 1234 results"},
    {"tool": "great_expectations", "test": "expect_column_sum_to_be_between", "mart": "account_clv",
     "column_name": "total_clv", "severity": "error", "status": "fail", "failures": None, "message": "12.5 < 100"},
    {"tool": "dbt", "test": "volume", "mart": "alerts", "column_name": None, "severity": "warn", "status": "warn",
     "failures": 3, "message": None},
    {"tool": "dbt", "test": "fine", "mart": "alerts", "column_name": None, "severity": "error", "status": "pass",
     "failures": 0, "message": None},
]  # fmt: skip


def alert(number: int, **changes: Any) -> notify.Alert:
    base = notify.Alert(
        alert_id=f"id{number:03}", account_id=f"A{number:03}", signal="login_decline", label="Log-ins fall",
        as_of_date=dt.date(2026, 7, 1), severity="medium", owner="AM01", priority=number,
        revenue_at_risk=Decimal("10.5000"), why="Log-ins of the last 28 days: -54 %.", recommended_action="Reach out",
        is_in_focus=False, is_overdue=False, opened_on=dt.date(2026, 7, 1), due_on=dt.date(2026, 7, 8),
    )  # fmt: skip
    return replace(base, **changes)


def test_a_failed_refresh_says_what_when_and_what_is_still_published() -> None:
    said = notify.refresh_failed(RUN)
    assert said.title == "Refresh failed, as of 1 July 2026"
    assert said.lines == ("Building or publishing failed; the last good marts stay published.", RUN["reason"])
    assert said.closing == ("Build 20260701T060000Z-3fa9c1, exit code 4, 61 s.",)


def test_a_run_of_which_little_is_known_can_still_be_told() -> None:
    said = notify.refresh_failed({"reason": "No disk."})
    assert (said.title, said.closing) == ("Refresh failed", ())
    assert said.lines == ("The last good marts stay published.", "No disk.")


def test_a_refused_audit_lists_what_failed_before_what_only_warned() -> None:
    said = notify.audit_refused({**RUN, "exit_code": 1, "reason": None}, FINDINGS)
    assert said.title == "Audit refused the marts, as of 1 July 2026"
    refused, warned = said.sections
    assert (refused.heading, warned.heading) == ("Refused (2)", "Warned (1)")
    assert [one.title for one in refused.items] == [
        "account_clv.total_clv: expect_column_sum_to_be_between", "alerts: alerts_rules",
    ]  # fmt: skip
    assert refused.items[1].facts == (("Tool", "dbt"), ("Failures", "1,234"))
    assert refused.items[0].facts == (("Tool", "great expectations"),)
    assert refused.items[0].lines == ("12.5 < 100",)
    assert [one.title for one in warned.items] == ["alerts: volume"]


def test_the_morning_list_is_per_manager_with_the_most_urgent_first() -> None:
    said = notify.morning_list(
        [
            alert(3),
            alert(5, owner="unassigned", priority=None, revenue_at_risk=None),
            alert(1, owner="AM02", account_id="A004", revenue_at_risk=Decimal("1234.5")),
            alert(4, owner="AM02", is_in_focus=True, revenue_at_risk=Decimal("1234.5")),
            alert(2, is_overdue=True),
        ],
        dt.date(2026, 7, 1),
        currency="EUR",
        still_open=notify.StillOpen(12, 3),
    )
    assert said.title == "5 new churn alerts, 1 July 2026"
    assert said.lines == (
        # A004 shows two signals: what is at risk there counts once
        "4 accounts, 1,255.50 EUR a month at risk, 1 in focus.",
        "Still open from before: 12, of which 3 overdue.",
    )
    assert [(one.heading, [item.title for item in one.items]) for one in said.sections] == [
        ("AM02 (2)", ["A004: Log-ins fall (in focus)", "A004: Log-ins fall"]),
        ("AM01 (2)", ["A002: Log-ins fall", "A003: Log-ins fall"]),
        ("No account manager (1)", ["A005: Log-ins fall"]),
    ]
    first = said.sections[0].items[0]
    assert first.lines == ("Log-ins of the last 28 days: -54 %.", "Do: Reach out.")
    assert dict(first.facts) == {
        "Priority": "4", "Severity": "medium", "At risk": "1,234.50 EUR", "Due": "8 July 2026",
    }  # fmt: skip
    assert dict(said.sections[1].items[0].facts)["Due"] == "8 July 2026, overdue"
    assert dict(said.sections[2].items[0].facts) == {
        "Priority": "-", "Severity": "medium", "At risk": "not known", "Due": "8 July 2026",
    }  # fmt: skip


def test_one_of_a_thing_is_not_plural_and_none_says_so() -> None:
    one = notify.morning_list([alert(1)], dt.date(2026, 7, 1), currency="EUR")
    assert one.title == "1 new churn alert, 1 July 2026"
    assert one.lines == ("1 account, 10.50 EUR a month at risk, 0 in focus.",)
    none = notify.morning_list([], dt.date(2026, 7, 1), still_open=notify.StillOpen(0, 0))
    assert (none.title, none.sections) == ("No new churn alerts, 1 July 2026", ())
    assert none.lines == ("Still open from before: 0, of which 0 overdue.",)


# --- how it looks ---


def texts(found: dict[str, Any]) -> list[str]:
    kept = []
    for block in found["blocks"]:
        kept += (
            [one["text"] for one in block.get("elements", [])]
            if block["type"] == "context"
            else [block["text"]["text"]]
        )
    return kept


def shows(found: dict[str, Any]) -> str:
    return "\n".join(texts(found))


def within_limits(found: dict[str, Any]) -> None:
    assert 0 < len(found["blocks"]) <= 50
    assert 0 < len(found["text"]) <= 4000
    assert sum(map(len, texts(found))) <= 13_000
    header, *others = found["blocks"]
    assert header["type"] == "header" and header["text"]["type"] == "plain_text"
    assert 0 < len(header["text"]["text"]) <= 150
    for block in others:
        assert block["type"] in ("section", "context")
        if block["type"] == "context":
            assert 0 < len(block["elements"]) <= 10
    assert all(0 < len(one) <= 3000 for one in texts(found))


def test_slack_gets_header_sections_and_a_closing_line() -> None:
    found = render.slack(notify.refresh_failed(RUN, "https://bi.example.org/d?a=1&b=2"))
    within_limits(found)
    assert texts(found) == [
        "Refresh failed, as of 1 July 2026",
        "Building or publishing failed; the last good marts stay published.\n"
        "model mrr_monthly (models/marts/retention/mrr_monthly.sql): error\nOut of memory",
        "Build 20260701T060000Z-3fa9c1, exit code 4, 61 s.",
        "<https://bi.example.org/d?a=1&amp;b=2>",
    ]
    assert found["text"].startswith("Refresh failed, as of 1 July 2026\nBuilding or publishing failed;")


@pytest.mark.parametrize("number", [1, 7, 44, 60, 400, 5000])
@pytest.mark.parametrize("owners", [1, 100])
@pytest.mark.parametrize("why", ["Short.", "Long & <wide> " * 40])
def test_slack_is_within_its_limits_and_counts_what_was_cut(number: int, owners: int, why: str) -> None:
    alerts = [alert(one, owner=f"AM{one % owners:03}", why=why) for one in range(number)]
    found = render.slack(notify.morning_list(alerts, dt.date(2026, 7, 1), still_open=notify.StillOpen(2, 1)))
    within_limits(found)
    for text in (shows(found), found["text"]):
        shown = len(re.findall(r"A\d+: Log-ins fall", text))
        cut = re.findall(r"^\.\.\. and (\d+) more$", text, re.MULTILINE)
        assert shown + sum(map(int, cut)) == number
        assert shown > 0 and len(cut) == (shown < number)


def test_slack_shows_a_list_that_fits_whole() -> None:
    found = render.slack(notify.morning_list([alert(one) for one in range(40)], dt.date(2026, 7, 1)))
    assert "more" not in shows(found) and "A039" in shows(found)


def test_slack_cannot_be_given_orders() -> None:
    nasty = "<!channel> <http://evil.example.org|good> &amp; A&B"
    found = render.slack(notify.morning_list([alert(1, why=nasty, account_id=nasty)], dt.date(2026, 7, 1)))
    assert "&lt;!channel&gt; &lt;http://evil.example.org|good&gt; &amp;amp; A&amp;B" in shows(found)
    assert not re.search(r"<(?!https?://bi)", shows(found) + found["text"])
    sections = [block["text"] for block in found["blocks"] if block["type"] == "section"]
    assert all(one["type"] == "mrkdwn" and one["verbatim"] for one in sections)


def test_a_title_is_cut_between_signs_never_within_one() -> None:
    long = notify.Message("trial", "&" * 200)
    header = render.slack(long)["blocks"][0]["text"]["text"]
    assert header == "&amp;" * 29 + "..."


@pytest.mark.parametrize("link", ["javascript:alert(1)", "https://x.org/" + "a" * 2000, "", "file:///etc/passwd"])
def test_only_web_addresses_become_links(link: str) -> None:
    found = notify.Message("trial", "Title", link=link)
    assert "<" not in shows(render.slack(found))
    assert "href" not in html_of(render.mail(found, "a@example.org", ["b@example.org"]))


def test_a_link_cannot_break_out() -> None:
    found = notify.Message("trial", "Title", link="https://x.org/|a><script>\"'")
    assert texts(render.slack(found))[-1] == "<https://x.org/%7Ca%3E%3Cscript%3E%22'>"
    assert "<script>" not in html_of(render.mail(found, "a@example.org", ["b@example.org"]))


def html_of(letter: EmailMessage) -> str:
    part = letter.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def plain_of(letter: EmailMessage) -> str:
    part = letter.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def test_a_mail_is_well_formed() -> None:
    now = dt.datetime(2026, 7, 1, 4, 30, tzinfo=dt.UTC)
    said = notify.morning_list([alert(1, why="Grüße: -54 % & <b>")], dt.date(2026, 7, 1), currency="EUR")
    sent = render.mail(said, "bestand@example.org", [WHO.replace("ops", "a"), "b@example.org"], now).as_bytes()
    assert all(len(line) <= 998 and line.isascii() for line in sent.split(b"\r\n"))
    assert b"\n" not in sent.replace(b"\r\n", b"")
    letter = email.message_from_bytes(sent, policy=email.policy.default)
    assert not letter.defects
    assert {name: letter[name] for name in ("From", "To", "Subject", "Auto-Submitted", "MIME-Version")} == {
        "From": "bestand@example.org", "To": "a@example.org, b@example.org",
        "Subject": "1 new churn alert, 1 July 2026", "Auto-Submitted": "auto-generated", "MIME-Version": "1.0",
    }  # fmt: skip
    assert parsedate_to_datetime(letter["Date"]) == now
    assert re.fullmatch(r"<[^<>@\s]+@example\.org>", letter["Message-ID"])
    assert letter.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in letter.iter_parts()] == ["text/plain", "text/html"]
    assert all(part.get_content_charset() == "utf-8" for part in letter.iter_parts())
    assert "Grüße: -54 % & <b>" in plain_of(letter)
    assert "Grüße: -54 % &amp; &lt;b&gt;" in html_of(letter)


def test_two_mails_have_two_ids() -> None:
    made = [render.mail(notify.trial(), "a@example.org", ["b@example.org"])["Message-ID"] for _ in range(2)]
    assert made[0] != made[1]


def test_a_subject_cannot_add_headers_and_has_an_end() -> None:
    letter = render.mail(
        notify.Message("trial", "Hello\r\nBcc: x@example.org " + "x" * 500), "a@example.org", ["b@c.org"]
    )
    assert letter["Bcc"] is None and letter["Subject"].startswith("Hello Bcc: x@example.org")
    assert len(letter["Subject"]) == 200
    letter = render.mail(notify.Message("trial", "Grüße"), "a@example.org", ["b@c.org"])
    assert b"Subject: =?utf-8?" in letter.as_bytes()


def test_a_long_mail_is_cut_too() -> None:
    letter = render.mail(
        notify.morning_list([alert(one, owner=f"AM{one % 7}") for one in range(700)], dt.date(2026, 7, 1)),
        "a@example.org", ["b@example.org"],
    )  # fmt: skip
    for text in (plain_of(letter), html_of(letter)):
        assert len(re.findall(r"A\d+: Log-ins fall", text)) == 500
        assert "... and 200 more" in text


# --- secrets in what others said ---


def test_messages_are_sent_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    monkeypatch.setenv("BESTAND_WEBHOOK_URL", f"https://hooks.example.org/services/{TOKEN}")
    bad = (
        f"could not connect with password {PASSWORD}; postgresql://me:{PASSWORD}@db/crm; "
        f"Max retries exceeded with url: /services/{TOKEN} (password=other-one)"
    )
    message = notify.Message(
        "trial", bad, (bad,), (Section(bad, (Item(bad, (bad,), ((bad, bad),)),)),), (bad,), f"https://x.org/?{PASSWORD}"
    )
    letter = render.mail(message, "a@example.org", ["b@example.org"])
    for text in (json.dumps(render.slack(message)), letter.as_string(), plain_of(letter), html_of(letter)):
        assert not leaks(text)
        assert "other-one" not in text and "***" in text


def test_redaction_leaves_innocent_words_alone() -> None:
    given = {"PGPASSWORD": "abc", "HOME": "/home/user", "BESTAND_SMTP_PASSWORD": "longer-one"}
    text = "abc in /home/user: tokens of 3 accounts, see https://x.org:80/a@b"
    assert notify.redacted(text, given) == text
    assert notify.redacted("a longer-one b", given) == "a *** b"
    assert notify.redacted("postgresql://user:pw@host/db", {}) == "postgresql://***@host/db"
    assert notify.redacted("host=x password='a b' user=y", {}) == "host=x password=*** user=y"


# --- the new alerts of a publish ---

COLUMNS = {
    "alert_id": "varchar", "account_id": "varchar", "signal": "varchar", "as_of_date": "date", "status": "varchar",
    "severity": "varchar", "owner": "varchar", "priority": "integer", "revenue_at_risk": "decimal(38, 4)",
    "why": "varchar", "recommended_action": "varchar", "is_in_focus": "boolean", "is_overdue": "boolean",
    "opened_on": "date", "due_on": "date",
}  # fmt: skip


def published(
    file: Path,
    as_of: str,
    alerts: dict[str, dict[str, Any]] | None,
    *,
    labels: bool = True,
    manifest: bool = True,
    schema: str = "main",
) -> Path:
    """A published database with alerts; by id, what is not as usual about each."""
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema operations")
        connection.execute(f"create schema if not exists {schema}")
        connection.execute(f"use {schema}")
        if manifest:
            connection.execute(
                "create table operations.publish_manifest as select 'b1' as build_id, cast(? as date) as as_of_date,"
                " 'EUR' as reporting_currency",
                [as_of],
            )
        if labels:
            connection.execute(
                "create table account_signals as select * from (values ('A1', 'login_decline', 'Log-ins fall'),"
                " ('A2', 'login_decline', 'Log-ins fall'), ('A1', 'nps_drop', 'NPS falling'))"
                " as t (account_id, signal, label)"
            )
        if alerts is not None:
            connection.execute(f"create table alerts ({', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())})")
            usual = {
                "account_id": "A1", "signal": "login_decline", "as_of_date": as_of, "status": "open",
                "severity": "high", "owner": "AM01", "priority": 1, "revenue_at_risk": "12.3400", "why": "Why.",
                "recommended_action": "Call", "is_in_focus": True, "is_overdue": False, "opened_on": as_of,
                "due_on": as_of,
            }  # fmt: skip
            for key, changes in alerts.items():
                row = {"alert_id": key, **usual, **changes}
                connection.execute(
                    f"insert into alerts values ({', '.join('?' * len(COLUMNS))})",
                    [row[name] for name in COLUMNS],
                )
    return file


def ids(found: list[notify.Alert]) -> list[str]:
    return [one.alert_id for one in found]


def test_new_is_what_the_publish_before_did_not_have_open(tmp_path: Path) -> None:
    before = published(
        tmp_path / "before.duckdb", "2026-07-01",
        {"told": {"opened_on": "2026-06-20"}, "muted": {"status": "muted", "opened_on": "2026-06-01"},
         "over": {"opened_on": "2026-06-20"}},
    )  # fmt: skip
    now = published(
        tmp_path / "now.duckdb", "2026-07-03",
        {"told": {"opened_on": "2026-06-20", "is_overdue": True}, "muted": {"opened_on": "2026-06-01", "priority": 3},
         "over": {"status": "resolved"}, "between": {"opened_on": "2026-07-02", "priority": 2},
         "today": {"priority": 4}, "lately": {"priority": 1, "is_in_focus": False},
         "closed": {"status": "resolved"}, "taken": {"status": "acknowledged"}},
    )  # fmt: skip
    assert ids(notify.new_alerts(now, before)) == ["between", "muted", "today", "lately"]
    said = notify.morning_message(now, before, "https://bi.example.org/")
    assert said is not None
    assert said.title == "4 new churn alerts, 3 July 2026"
    assert said.lines == (
        "1 account, 12.34 EUR a month at risk, 3 in focus.", "Still open from before: 1, of which 1 overdue.",
    )  # fmt: skip


def test_the_first_publish_tells_only_what_opened_on_its_day(tmp_path: Path) -> None:
    now = published(tmp_path / "now.duckdb", "2026-07-03", {"old": {"opened_on": "2026-07-02"}, "today": {}})
    assert ids(notify.new_alerts(now, None)) == ["today"]
    light = published(tmp_path / "light.duckdb", "2026-07-02", None)
    assert ids(notify.new_alerts(now, light)) == ["today"]


def test_nothing_is_told_twice(tmp_path: Path) -> None:
    now = published(tmp_path / "now.duckdb", "2026-07-03", {"today": {}})
    again = published(tmp_path / "again.duckdb", "2026-07-03", {"today": {}, "late": {"opened_on": "2026-07-02"}})
    assert notify.new_alerts(now, now) == []
    assert ids(notify.new_alerts(again, now)) == ["late"]
    earlier = published(tmp_path / "earlier.duckdb", "2026-07-01", {"gone": {}})
    assert notify.new_alerts(earlier, now) == []


def test_an_alert_carries_words_and_exact_money(tmp_path: Path) -> None:
    now = published(
        tmp_path / "now.duckdb", "2026-07-03",
        {"a": {}, "b": {"signal": "payment_failed", "revenue_at_risk": None, "priority": None}},
    )  # fmt: skip
    first, second = notify.new_alerts(now, None)
    assert (first.label, first.revenue_at_risk, first.due_on) == (
        "Log-ins fall",
        Decimal("12.3400"),
        dt.date(2026, 7, 3),
    )
    assert (second.label, second.revenue_at_risk, second.priority) == ("Payment failed", None, None)
    bare = published(tmp_path / "bare.duckdb", "2026-07-03", {"a": {}}, labels=False, manifest=False, schema="marts")
    (only,) = notify.new_alerts(bare, None)
    assert only.label == "Login decline"


def test_nothing_new_is_said_only_when_asked(tmp_path: Path) -> None:
    now = published(tmp_path / "now.duckdb", "2026-07-03", {"old": {"opened_on": "2026-07-02"}})
    assert notify.morning_message(now, None) is None
    always = notify.morning_message(now, None, morning=notify.Morning.always)
    assert always is not None and always.title == "No new churn alerts, 3 July 2026"
    assert always.lines == ("Still open from before: 1, of which 0 overdue.",)
    fresh = published(tmp_path / "fresh.duckdb", "2026-07-03", {"new": {}})
    assert notify.morning_message(fresh, None, morning=notify.Morning.never) is None
    light = published(tmp_path / "light.duckdb", "2026-07-03", None)
    assert notify.morning_message(light, fresh, morning=notify.Morning.always) is None
    assert notify.new_alerts(light, fresh) == []


def test_the_link_is_that_of_the_dashboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = published(tmp_path / "marts.duckdb", "2026-07-03", {"new": {}})
    monkeypatch.setenv("BESTAND_DASHBOARD_URL", "https://bi.example.org/1")
    assert notify.morning_message(now, None).link == "https://bi.example.org/1"
    assert notify.morning_message(now, None, "https://bi.example.org/2").link == "https://bi.example.org/2"


def test_a_publish_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(NoMarts, match="There is no database"):
        notify.new_alerts(tmp_path / "missing.duckdb", None)
    broken = tmp_path / "broken.duckdb"
    broken.write_bytes(b"no database " * 999)
    with pytest.raises(NoMarts):
        notify.new_alerts(broken, None)


@pytest.mark.slow
def test_the_demo_has_a_morning_list_without_names(demo: Warehouse, witness: Witness) -> None:
    said = notify.morning_message(demo.database, None)
    assert said is not None
    opened = demo.value("select count(*) from marts.alerts where status = 'open' and opened_on = as_of_date")
    assert said.title == f"{opened} new churn alert{'s' if opened > 1 else ''}, 1 July 2026"
    text = render.mail(said, "a@example.org", ["b@example.org"]).as_string()
    names = {row["account_name"] for row in demo.rows("select account_name from conformed.accounts")} - {None}
    assert names and not [name for name in names if name in text]


# --- from a shell ---


def trial(**settings: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BESTAND_")}
    return subprocess.run(
        [sys.executable, "-m", "bestand.notify"], env={**clean, **settings}, cwd=ROOT, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip


def test_a_trial_from_the_shell(witness: Witness) -> None:
    with serving(Hook()) as hook:
        good = trial(BESTAND_WEBHOOK_URL=f"http://127.0.0.1:{hook.port}/{TOKEN}")
        hook.answers = [(404, {})]
        bad = trial(BESTAND_WEBHOOK_URL=f"http://127.0.0.1:{hook.port}/{TOKEN}")
    wrong = trial(BESTAND_WEBHOOK_URL=TOKEN)
    none = trial()
    witness.shown += [text for one in (good, bad, wrong, none) for text in (one.stdout, one.stderr)]
    assert (good.returncode, good.stdout) == (0, "webhook to 127.0.0.1: delivered\n")
    assert (bad.returncode, bad.stderr) == (1, "webhook to 127.0.0.1: failed, HTTP 404 Not Found\n")
    assert wrong.returncode == 2 and wrong.stderr.startswith("BESTAND_WEBHOOK_URL is no web address")
    assert none.returncode == 2 and "No channel is set" in none.stderr


def test_every_setting_stands_in_the_docs() -> None:
    page = (ROOT / "docs" / "notifications.md").read_text(encoding="utf-8")
    code = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "scripts" / "notify").glob("*.py"))
    named = set(re.findall(r"BESTAND_[A-Z_]+[A-Z](?![A-Z_])", code))
    assert named - {name for name in re.findall(r"`(BESTAND_[A-Z_]+)`", page)} == set()
    assert settings.PORTS.keys() == set(settings.Security)
