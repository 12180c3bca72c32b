"""Takes messages where they should go. Whatever happens on the way is reported, never raised, and names no secret."""

from __future__ import annotations

import json
import logging
import smtplib
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus

import requests
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, stop_any, stop_before_delay
from tenacity.wait import wait_exponential_jitter

from . import render
from .channels import Channels, Mail, Security, Webhook
from .messages import Message

THREAD = "bestand-notify"
TRY_AGAIN = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)

Attempt = Callable[[], None]


@dataclass(frozen=True)
class Patience:
    """How long a delivery is tried: in seconds, but for `attempts`. `total` bounds all channels together."""

    attempts: int = 5
    total: float = 60.0
    first_wait: float = 1.0
    connect: float = 5.0
    answer: float = 10.0


@dataclass(frozen=True)
class Delivery:
    """What became of a message on one channel.

    `status` is delivered, partial (some recipients were refused) or failed, `to` a host. `reason` is empty when all
    went well.
    """

    channel: str
    to: str
    status: str
    attempts: int
    seconds: float
    reason: str = ""

    @property
    def is_delivered(self) -> bool:
        """Whether it reached everybody."""
        return self.status == "delivered"

    def __str__(self) -> str:
        tries = f" after {self.attempts} attempts" if self.attempts > 1 else ""
        return f"{self.channel} to {self.to}: {self.status}{tries}" + (f", {self.reason}" if self.reason else "")


def send(message: Message, channels: Channels, patience: Patience | None = None) -> list[Delivery]:
    """Sends a message over every channel that is set, side by side; one Delivery for each, and nothing is raised.

    Refused connections, time-outs, HTTP 429 and 5xx and SMTP 4xx are tried again after growing pauses. A Retry-After
    is waited for; where it is longer than the time left, the delivery has failed. Ends after `patience.total` seconds
    at the latest. A message whose confirmation was lost may arrive twice, an e-mail then with the same Message-ID.
    """
    patience = patience or Patience()
    begin = time.monotonic()
    work: list[_Work] = []
    if channels.webhook:
        work.append(_Work("webhook", channels.webhook.host, partial(_webhook, channels.webhook)))
    if channels.mail:
        work.append(_Work("mail", channels.mail.host, partial(_mail, channels.mail)))
    for one in work:
        run = partial(one.run, message, channels, patience, begin)
        threading.Thread(target=run, name=f"{THREAD}-{one.channel}", daemon=True).start()
    return [one.delivery(begin, patience.total) for one in work]


class _Unsent(Exception):
    """An attempt failed. The message is for people and was written here: nothing of a server's answer is in it."""

    def __init__(self, reason: str, wait: float = 0.0, *, in_part: bool = False) -> None:
        super().__init__(reason)
        self.wait, self.in_part = wait, in_part


class _NotNow(_Unsent):
    """It may go through later, though not before `wait` seconds, where the server said so."""


class _Never(_Unsent):
    """Trying again would not help."""


class _Work:
    """One channel's delivery: runs in a thread of its own, so that nothing can make a refresh wait for longer."""

    def __init__(self, channel: str, to: str, make: Callable[[Message, Channels, Patience], Attempt]) -> None:
        self.channel, self.to, self.make = channel, to, make
        self.done = threading.Event()
        self.status, self.reason, self.attempts, self.seconds = "failed", "", 0, 0.0

    def run(self, message: Message, channels: Channels, patience: Patience, begin: float) -> None:
        try:
            with _silent():
                attempt = self.make(message, channels, patience)
                for one in _retrying(patience, begin):
                    with one:
                        self.attempts += 1
                        attempt()
            self.status = "delivered"
        except _Unsent as error:
            self.status, self.reason = "partial" if error.in_part else "failed", str(error)
        except BaseException as error:  # what it says might hold anything: only its kind is told
            self.reason = f"an error nobody thought of ({type(error).__name__})"
        finally:
            self.seconds = round(time.monotonic() - begin, 1)
            self.done.set()

    def delivery(self, begin: float, total: float) -> Delivery:
        if self.done.wait(max(0.0, begin + total - time.monotonic())):
            return Delivery(self.channel, self.to, self.status, self.attempts, self.seconds, self.reason)
        return Delivery(self.channel, self.to, "failed", self.attempts, total, f"no end after {total:g} s")


def _retrying(patience: Patience, begin: float) -> Retrying:
    backoff = wait_exponential_jitter(multiplier=patience.first_wait, max=patience.total, jitter=patience.first_wait)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return max(backoff(state), error.wait if isinstance(error, _NotNow) else 0.0)

    left = patience.total - (time.monotonic() - begin)
    return Retrying(
        retry=retry_if_exception_type(_NotNow),
        wait=wait,
        stop=stop_any(stop_after_attempt(patience.attempts), stop_before_delay(left)),
        reraise=True,
    )


# --- webhook ---


def _webhook(webhook: Webhook, message: Message, channels: Channels, patience: Patience) -> Attempt:
    body = json.dumps(render.slack(message), ensure_ascii=False).encode()
    verify = str(channels.ca_file) if channels.ca_file else True

    def attempt() -> None:
        try:
            with requests.post(
                webhook.url.get_secret_value(),
                data=body,
                headers={"Content-Type": "application/json; charset=utf-8", "User-Agent": "bestand"},
                timeout=(patience.connect, patience.answer),
                allow_redirects=False,  # the message would go, and the method change, where nobody chose
                verify=verify,
                stream=True,  # what the answer says is of no use and may be long
            ) as answer:
                status, headers = answer.status_code, answer.headers
        except requests.exceptions.SSLError:
            raise _Never("its certificate is not to be trusted") from None
        except requests.exceptions.ProxyError:
            raise _NotNow("the proxy does not let it through") from None
        except requests.exceptions.Timeout:
            raise _NotNow("no answer in time") from None
        except requests.exceptions.ConnectionError:
            raise _NotNow("it cannot be reached") from None
        except (requests.exceptions.RequestException, ValueError) as error:
            raise _Never(f"it cannot be asked ({type(error).__name__})") from None
        _judge(status, headers)

    return attempt


def _judge(status: int, headers: Mapping[str, str]) -> None:
    if 200 <= status < 300:
        return
    said = f"HTTP {status}{_phrase(status)}"
    if status in TRY_AGAIN or status >= 500:
        wait = _retry_after(headers.get("Retry-After", ""))
        raise _NotNow(f"{said}, with the wish to wait {wait:.0f} s" if wait else said, wait)
    raise _Never(f"{said}, a redirect that is not followed" if 300 <= status < 400 else said)


def _phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def _retry_after(text: str) -> float:
    """Seconds from now; 0 where the header is missing or makes no sense. It may be a number or a date."""
    if text.strip().isdecimal():
        return float(text[:9])
    try:
        then = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return 0.0
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max(0.0, (then - datetime.now(UTC)).total_seconds())


# --- mail ---


def _mail(mail: Mail, message: Message, channels: Channels, patience: Patience) -> Attempt:
    letter = render.mail(message, mail.sender, mail.recipients)
    context = None
    if mail.security is not Security.none:
        context = ssl.create_default_context(cafile=channels.ca_file)
    remaining = list(mail.recipients)
    refused: list[int] = []

    def attempt() -> None:
        with _spoken(), _connected(mail, context, patience) as client:
            try:
                answers = client.send_message(letter, mail.sender, remaining)
            except smtplib.SMTPRecipientsRefused as error:
                answers = error.recipients
        later = [one for one, (code, _) in answers.items() if 400 <= code < 500]
        refused.extend(code for code, _ in answers.values() if code >= 500)
        remaining[:] = later
        reached = len(mail.recipients) - len(refused) - len(later)
        if later:
            raise _NotNow(f"{len(later)} of {len(mail.recipients)} recipients put off", in_part=reached > 0)
        if refused:
            codes = ", ".join(sorted({str(code) for code in refused}))
            raise _Never(f"{len(refused)} of {len(mail.recipients)} recipients refused ({codes})", in_part=reached > 0)

    return attempt


@contextmanager
def _connected(mail: Mail, context: ssl.SSLContext | None, patience: Patience) -> Iterator[smtplib.SMTP]:
    if mail.security is Security.ssl:
        client: smtplib.SMTP = smtplib.SMTP_SSL(mail.host, mail.port, timeout=patience.answer, context=context)
    else:
        client = smtplib.SMTP(mail.host, mail.port, timeout=patience.answer)
    try:
        if mail.security is Security.starttls:
            client.starttls(context=context)
        if mail.user and mail.password:
            client.login(mail.user.get_secret_value(), mail.password.get_secret_value())
        yield client
        with suppress(smtplib.SMTPException, OSError):  # it is sent: how the goodbye goes does not matter
            client.quit()
    finally:
        client.close()


@contextmanager
def _spoken() -> Iterator[None]:
    """Says what went wrong in words of its own: a server's answer may repeat the user or the address."""
    try:
        yield
    except smtplib.SMTPNotSupportedError:
        raise _Never("it does not offer STARTTLS or the sign-in asked for") from None
    except smtplib.SMTPResponseException as error:
        what = "the sign-in was refused" if isinstance(error, smtplib.SMTPAuthenticationError) else "it was refused"
        kind = _NotNow if 400 <= error.smtp_code < 500 else _Never
        raise kind(f"{what} (SMTP {error.smtp_code})") from None
    except smtplib.SMTPServerDisconnected:
        raise _NotNow("the connection was lost") from None
    except smtplib.SMTPException as error:
        raise _Never(f"the server was not understood ({type(error).__name__})") from None
    except ssl.SSLError:
        raise _Never("its certificate is not to be trusted, or it does not speak TLS") from None
    except TimeoutError:
        raise _NotNow("no answer in time") from None
    except OSError:
        raise _NotNow("it cannot be reached") from None
    except ValueError as error:  # a host name that can be none, say
        raise _Never(f"it cannot be asked ({type(error).__name__})") from None


# --- logs ---


class _Silence(logging.Filter):
    """Drops what libraries log in the threads of deliveries: they log the address, which is the secret."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.threadName or "").startswith(THREAD)


_SILENCE = _Silence()


@contextmanager
def _silent() -> Iterator[None]:
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] in ("urllib3", "requests", "charset_normalizer", "tenacity"):
            logging.getLogger(name).addFilter(_SILENCE)
    yield
