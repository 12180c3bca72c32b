"""Who is erased: all keys of the subject, what each becomes, and the words that must not be found afterwards."""

from __future__ import annotations

import html
import json
import re
import secrets
import uuid
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from .rules import rules

GONE = "[erased]"
TOKEN = re.compile(r"[A-Za-z0-9_-]+")
SHORTEST_NAME = 4
SHORTEST_TEXT = 12


@dataclass
class Plan:
    """What one erasure does. Only the journal ever holds it, and only while the erasure is under way."""

    subject_kind: str
    subject_id: str
    accounts: list[str] = field(default_factory=list)
    contacts: list[str] = field(default_factory=list)  # erased for themselves: their rows stay under a random key
    contacts_gone: list[str] = field(default_factory=list)  # erased with their account
    alerts: list[str] = field(default_factory=list)
    keys: dict[str, dict[str, str]] = field(default_factory=dict)  # kind of key: old value, new value
    gone: list[str] = field(default_factory=list)  # further keys of rows that are removed
    texts: list[str] = field(default_factory=list)  # names, addresses, free text
    homes: list[str] = field(default_factory=list)  # accounts of contacts who are erased for themselves
    parts: list[str] = field(default_factory=list)  # parts of their names: they count in free text about their account

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for the journal."""
        return asdict(self)

    @cached_property
    def replaced(self) -> dict[str, str]:
        """Old keys, and what stands for them in a text."""
        found = dict.fromkeys([*self.gone, *self.alerts, *self.contacts_gone], GONE)
        for mapping in self.keys.values():
            found |= mapping
        return found

    @cached_property
    def needles(self) -> list[str]:
        """Names, addresses and free texts, in lower case."""
        return sorted({one.lower() for one in self.texts}, key=len, reverse=True)

    @cached_property
    def strings(self) -> list[str]:
        """Who is erased, as text that is looked for everywhere at the end: distinctive keys, names, addresses."""
        keys = [*self.accounts, *self.contacts, *self.contacts_gone, *self.alerts]
        return [*(one for one in keys if is_distinctive(one)), *self.needles]

    @cached_property
    def _spoken(self) -> dict[str, str]:
        """The keys that cannot be taken for a word or a number: found wherever they stand."""
        return {key: new for key, new in self.replaced.items() if is_distinctive(key)}

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        """Everything that is no simple token: names, and keys with spaces or other signs in them."""
        odd = [*self.needles, *(key.lower() for key in self._spoken if not TOKEN.fullmatch(key))]
        escaped = "|".join(re.escape(one) for one in sorted(odd, key=len, reverse=True))
        return re.compile(rf"(?<![A-Za-z0-9_-])(?:{escaped})(?![A-Za-z0-9_-])", re.IGNORECASE) if odd else None

    @cached_property
    def _quoted(self) -> re.Pattern[str]:
        return re.compile(
            r"(?P<before>[\"'>]|&quot;|&#39;|&#34;)(?P<key>[^\"'<>&]{1,255})(?=[\"'<]|&quot;|&#39;|&#34;)"
        )

    def names(self, text: str) -> bool:
        """Whether a free text mentions the subject."""
        return self.scrub(text) != text

    def names_in_part(self, text: str) -> bool:
        """Whether a free text about the account of an erased contact could mean him: a surname is enough."""
        return bool(self._parts and self._parts.search(text))

    @cached_property
    def _parts(self) -> re.Pattern[str] | None:
        escaped = "|".join(re.escape(one) for one in self.parts)
        return re.compile(rf"\b(?:{escaped})\b", re.IGNORECASE) if escaped else None

    def scrub(self, text: str) -> str:
        """The text without the subject: keys become their new value, names and the keys of removed rows a mark."""
        if text[:1] in "{[":
            try:
                found = json.loads(text)
            except ValueError:
                pass
            else:
                changed = self._scrub_json(found, None)
                if changed != found:
                    text = json.dumps(changed, ensure_ascii=False, separators=(",", ":"))
                return self._scrub_words(text)
        return self._scrub_words(self._quoted.sub(self._scrub_quoted, text))

    def _scrub_quoted(self, match: re.Match[str]) -> str:
        new = self.replaced.get(match["key"])
        return match.group() if new is None else match["before"] + new

    def _scrub_words(self, text: str) -> str:
        spoken = self._spoken
        if not spoken.keys().isdisjoint(TOKEN.findall(text)):
            text = TOKEN.sub(lambda match: spoken.get(match.group(), match.group()), text)
        return self._pattern.sub(GONE, text) if self._pattern else text

    def _scrub_json(self, value: Any, kind: str | None) -> Any:
        """In {"support_tickets": ["1"]} a key stands under the name of its entity: it is told, short as it is."""
        if isinstance(value, dict):
            return {name: self._scrub_json(one, _kind_of(name)) for name, one in value.items()}
        if isinstance(value, list):
            return [self._scrub_json(one, kind) for one in value]
        if kind is None or not isinstance(value, str | int) or isinstance(value, bool):
            return value
        known = self.keys.get(kind, {}).get(str(value))
        if known is None and str(value) in self._removed.get(kind, ()):
            known = GONE
        return value if known is None else known

    @cached_property
    def _removed(self) -> dict[str, frozenset[str]]:
        return {"contact": frozenset(self.contacts_gone), "alert": frozenset(self.alerts)}

    def is_in_file(self, text: str, *, made_of_project: bool = False) -> bool:
        """Whether a log, page or artefact names the subject; `made_of_project`: keys are chance there."""
        lower = text.lower()
        for one in self.needles:
            for written in {one, html.escape(one), json.dumps(one)[1:-1].lower()}:
                if written in lower:
                    return True
        if made_of_project:
            return False
        return self._scrub_words(text) != text or any(
            match["key"] in self.replaced for match in self._quoted.finditer(text)
        )


def is_distinctive(key: str) -> bool:
    """Whether a key can be told from a word (`energy`) and a number (`42`) wherever it stands."""
    if len(key) >= 8 and not key.isalpha():
        return True
    return len(key) >= 3 and any(one.isdigit() for one in key) and any(not one.isdigit() for one in key)


def worth_looking_for(text: str, *, free: bool) -> bool:
    """Whether a name or free text is long enough not to be found by chance."""
    return len(text.strip()) >= (SHORTEST_TEXT if free else SHORTEST_NAME)


def fresh_key(form: tuple[str, int], taken: set[str]) -> str:
    """A random key that says of whom nothing: `form` is (text | integer | uuid, largest integer)."""
    kind, largest = form
    while True:
        if kind == "integer":
            new = str(secrets.randbelow(largest) + 1)
        elif kind == "uuid":
            new = str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))
        else:
            new = f"erased-{secrets.token_hex(8)}"
        if new not in taken:
            taken.add(new)
            return new


def _kind_of(name: str) -> str | None:
    found = rules()
    for kind, entity in found.keys.items():
        if name == entity:
            return kind
    return found.kind(name)
