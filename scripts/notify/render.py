"""How a message looks: Slack-compatible JSON, and an e-mail in plain text and HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from typing import Any
from urllib.parse import quote

from jinja2 import Environment

from .messages import Item, Message, Section
from .secrets import redactor

# Slack's limits: it refuses a message over one of them whole.
BLOCKS = 50
SECTION = 3000
HEADER = 150
# It also limits the sum of all blocks, and systems that know no blocks show `text`; both stay well below.
ALL_BLOCKS = 12_000
TEXT = 3_500
ITEM = 900
SUBJECT = 200
MAIL_ITEMS = 500

CUT = "..."
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
WEB_ADDRESS = re.compile(r"https?://\S{1,1000}")
ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}

HTML = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{{ message.title }}</title></head>
<body style="font-family: sans-serif; color: #1f2933; max-width: 48em">
<h1 style="font-size: 1.3em">{{ message.title }}</h1>
{% for line in message.lines %}
<p>{{ line }}</p>
{% endfor %}
{% for section in message.sections %}
<h2 style="font-size: 1.1em; margin: 1.4em 0 .4em">{{ section.heading }}</h2>
<table style="border-collapse: collapse; width: 100%">
{% for item in section['items'] %}
<tr style="border-top: 1px solid #d3d9de; vertical-align: top">
<td style="padding: .5em .8em .5em 0"><strong>{{ item.title }}</strong>
{% for line in item.lines %}<br>{{ line }}
{% endfor %}
</td>
<td style="padding: .5em 0; white-space: nowrap; color: #52606d">
{% for name, value in item.facts %}{{ name }}: {{ value }}<br>
{% endfor %}
</td>
</tr>
{% endfor %}
</table>
{% endfor %}
{% if more %}
<p>... and {{ more }} more</p>
{% endif %}
{% for line in message.closing %}
<p style="color: #52606d">{{ line }}</p>
{% endfor %}
{% if message.link %}
<p><a href="{{ message.link }}">{{ message.link }}</a></p>
{% endif %}
</body>
</html>
""")


def slack(message: Message) -> dict[str, Any]:
    """What an incoming webhook takes: `text` for notifications and systems without blocks, `blocks` for Slack."""
    clean = cleaned(message)
    closing = [_fit(" ".join(clean.closing), ITEM)] if clean.closing else []
    closing += [f"<{_link(clean.link)}>"] if clean.link else []
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _fit(clean.title, HEADER), "emoji": False}}
    ]
    if clean.lines:
        blocks.append(_section(_fit("\n".join(clean.lines), SECTION)))
    shown, budget = 0, ALL_BLOCKS - len(str(blocks)) - sum(map(len, closing))
    for text, items in _packed(clean.sections):
        if len(blocks) >= BLOCKS - 2 or len(text) > budget:
            break
        blocks.append(_section(text))
        budget -= len(text)
        shown += items
    left = _items(clean) - shown
    last = [*([_more(left)] if left else []), *closing]
    if last:
        blocks.append({"type": "context", "elements": [_markdown(one) for one in last]})
    return {"text": _text(clean, closing), "blocks": blocks}


def mail(message: Message, sender: str, recipients: Sequence[str], now: datetime | None = None) -> EmailMessage:
    """The same as an e-mail in UTF-8, plain text with HTML beside it. `now` is the time in its header."""
    clean = cleaned(message)
    left = _items(clean) - MAIL_ITEMS
    short = replace(clean, sections=tuple(_first(clean.sections, MAIL_ITEMS)))
    made = EmailMessage(policy=SMTP)
    made["From"] = sender
    made["To"] = ", ".join(recipients)
    made["Subject"] = clean.title if len(clean.title) <= SUBJECT else clean.title[: SUBJECT - len(CUT)] + CUT
    made["Date"] = format_datetime(now or datetime.now(UTC))
    made["Message-ID"] = make_msgid(clean.kind, domain=sender.rpartition("@")[2])
    made["Auto-Submitted"] = "auto-generated"  # asks for no out-of-office replies (RFC 3834)
    made.set_content("\n".join(_mail_lines(short, left)) + "\n", charset="utf-8", cte="quoted-printable")
    html = HTML.render(message=short, more=left if left > 0 else 0)
    made.add_alternative(html, subtype="html", charset="utf-8", cte="quoted-printable")
    return made


def cleaned(message: Message) -> Message:
    """The message without secrets and control characters; no text has line breaks."""
    redact = redactor()

    def clean(text: str) -> str:
        return CONTROL.sub(" ", redact(text)).strip()

    def lines(texts: Iterable[str]) -> tuple[str, ...]:
        # redacted before they are taken apart: a secret may span lines
        return tuple(clean(part) for text in texts for part in redact(text).splitlines() if part.strip())

    def item(one: Item) -> Item:
        return Item(clean(one.title), lines(one.lines), tuple((clean(name), clean(value)) for name, value in one.facts))

    return Message(
        kind=message.kind,
        title=clean(message.title),
        lines=lines(message.lines),
        sections=tuple(Section(clean(one.heading), tuple(map(item, one.items))) for one in message.sections),
        closing=lines(message.closing),
        link=clean(message.link) if message.link and WEB_ADDRESS.fullmatch(message.link) else None,
    )


def _packed(sections: Iterable[Section]) -> Iterator[tuple[str, int]]:
    """Texts for section blocks with the number of items in each; a heading stays with what follows it."""
    for section in sections:
        text, items = f"*{_fit(section.heading, HEADER)}*", 0
        for item in section.items:
            entry = _entry(item)
            if len(text) + len(entry) + 2 > SECTION:
                yield text, items
                text, items = entry, 1
            else:
                text, items = f"{text}\n\n{entry}" if items else f"{text}\n{entry}", items + 1
        yield text, items


def _entry(item: Item, bold: str = "*") -> str:
    facts = " | ".join(f"{name}: {value}" for name, value in item.facts)
    body = [_fit(line, ITEM) for line in (*item.lines[:2], facts) if line]
    return "\n".join([f"{bold}{_fit(item.title, HEADER)}{bold}", *body])


def _text(message: Message, closing: Sequence[str]) -> str:
    text = "\n".join(_fit(line, ITEM) for line in (message.title, *message.lines))
    end = "".join(f"\n{one}" for one in closing)
    shown = 0
    for section in message.sections:
        for number, item in enumerate(section.items):
            heading = f"\n{_fit(section.heading, HEADER)}" if number == 0 else ""
            entry = f"{heading}\n{_entry(item, bold='')}"
            if len(text) + len(entry) + len(end) > TEXT:
                return f"{text}\n{_more(_items(message) - shown)}{end}"
            text, shown = text + entry, shown + 1
    return text + end


def _mail_lines(message: Message, left: int) -> Iterator[str]:
    yield from (message.title, *(line for one in message.lines for line in ("", one)))
    for section in message.sections:
        yield from ("", section.heading, "-" * len(section.heading))
        for item in section.items:
            yield from ("", item.title, *(f"  {line}" for line in item.lines))
            if item.facts:
                yield "  " + ", ".join(f"{name}: {value}" for name, value in item.facts)
    if left > 0:
        yield from ("", _more(left))
    yield from (line for one in (*message.closing, message.link) if one for line in ("", one))


def _first(sections: Iterable[Section], number: int) -> Iterator[Section]:
    for section in sections:
        if number <= 0:
            return
        yield Section(section.heading, section.items[:number])
        number -= len(section.items)


def _items(message: Message) -> int:
    return sum(len(one.items) for one in message.sections)


def _more(number: int) -> str:
    return f"... and {number} more"


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _markdown(text)}


def _markdown(text: str) -> dict[str, Any]:
    # verbatim: names of channels and addresses in the text stay text
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _link(url: str) -> str:
    return _escaped(quote(url, safe="%/:?#[]@!$&'()*+,;=~-._"))


def _escaped(text: str) -> str:
    return "".join(ESCAPES.get(sign, sign) for sign in text)


def _fit(text: str, limit: int) -> str:
    """The text escaped for Slack, and no longer than the limit then; what is cut ends with dots."""
    escaped = _escaped(text)
    if len(escaped) <= limit:
        return escaped
    room, kept = limit - len(CUT), []
    for sign in text:
        one = ESCAPES.get(sign, sign)
        room -= len(one)
        if room < 0:
            break
        kept.append(one)
    return "".join(kept) + CUT
