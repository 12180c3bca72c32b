"""What the input contract says about erasure, and which column of which table carries which key."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from .. import paths
from ..generate import COMMON_COLUMNS, read_contract

# Columns that carry a key under a name of their own.
ALIASES = {"merged_into": "account", "episode_id": "alert", "line_id": "subscription"}
OWNERS = ("account_id", "source_account_id", "surviving_account_id")  # whose row it is
RAW = ("raw_row", "raw_line")  # rows as they came
PREFIXES = ("validated_", "stg_crm__", "demo_", "quarantine_")
# Folders of models that show what an account does rather than what it pays.
BEHAVIOUR = ("early_warning", "satisfaction", "communication")
NAMES = ("account_directory",)  # models that exist to show names


class Rules:
    """The contract, read for erasure."""

    def __init__(self, contract: Mapping[str, Mapping[str, Any]], behaviour: frozenset[str]) -> None:
        self.contract = contract
        self.behaviour = behaviour
        self.keys: dict[str, str] = {}  # kind of key: the entity it is the key of
        for entity, spec in contract.items():
            first = spec["key"][0]
            if first.endswith("_id") and not spec["columns"][first].get("references"):
                self.keys[first.removesuffix("_id")] = entity
        self.personal = frozenset(
            name for spec in contract.values() for name, column in spec["columns"].items() if column.get("personal")
        )
        names = {*contract["accounts"]["columns"], *contract["contacts"]["columns"]}
        self.free_text = self.personal - names

    def kind(self, column: str) -> str | None:
        """Which kind of key a column carries: account, contact, invoice ... None: it carries none."""
        name = column.lower()
        if name in ALIASES:
            return ALIASES[name]
        stem = name.removesuffix("_id")
        if stem == name:
            return None
        return next((kind for kind in self.keys if stem == kind or stem.endswith(f"_{kind}")), None)

    def entity(self, table: str) -> str | None:
        """The entity of the contract whose rows a table holds, as they came or judged."""
        name = table.lower()
        for prefix in PREFIXES:
            name = name.removeprefix(prefix)
        return name if name in self.contract else None

    def removes(self, table: str) -> bool:
        """Whether the rows of an erased account leave this table; else they stay under random keys."""
        entity = self.entity(table)
        if entity:
            return self.contract[entity].get("erasure") == "remove"
        return table in self.behaviour or table in NAMES

    def stays(self, kind: str) -> bool:
        """Whether rows with this kind of key stay, so that the key needs a new value."""
        return kind == "contact" or self.contract[self.keys[kind]].get("erasure") == "keep"

    def is_countless(self, kind: str) -> bool:
        """Whether an account may have so many of these keys that nobody looks for each."""
        return self.contract[self.keys[kind]].get("volume") == "high"

    def knows(self, entity: str, column: str) -> bool:
        """Whether the contract describes the column: of others nobody can tell what is in them."""
        return column.lower() in self.contract[entity]["columns"] or column.lower() in COMMON_COLUMNS


@cache
def rules(root: Path = paths.ROOT) -> Rules:
    """The rules of this project."""
    models = root / "models"
    behaviour = {path.stem for folder in BEHAVIOUR for path in models.rglob(f"{folder}/*.sql")}
    return Rules(read_contract(root), frozenset(behaviour))
