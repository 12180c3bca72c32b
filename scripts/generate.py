"""Writes the models and properties that follow from the input contract, one set per entity."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

CONTRACT = Path("macros/contract/crm_contract.sql")
SEEDS = Path("seeds/demo")
SQL_TYPES = {"text": "string", "decimal": "decimal(18,4)", "rate": "decimal(18,8)"}
COMMON_COLUMNS = ("recorded_at", "is_deleted", "source_system")


def read_contract(root: Path) -> dict[str, dict[str, Any]]:
    """The input contract, read out of the macro that holds it."""
    text = (root / CONTRACT).read_text(encoding="utf-8")
    match = re.search(r"{% set contract_yaml %}(.*?){% endset %}", text, re.DOTALL)
    if match is None:
        raise ValueError(f"{CONTRACT} holds no contract_yaml block")
    contract: dict[str, dict[str, Any]] = yaml.safe_load(match.group(1))
    return contract


def generated_files(root: Path) -> dict[Path, str]:
    """Every generated file, relative to the project's folder, with its text."""
    contract = read_contract(root)
    files: dict[Path, str] = {SEEDS / "_demo.yml": _seeds(root, contract)}
    conformed = Path("models/conformed")
    for entity, spec in contract.items():
        for path, call, properties in (
            (Path("models/staging/crm") / f"stg_crm__{entity}", f"stage_crm('{entity}')", _staging(entity, spec)),
            (conformed / "validated" / f"validated_{entity}", f"validated('{entity}')", _validated(entity, spec)),
            (conformed / entity, f"conformed('{entity}')", _conformed(entity, spec)),
            (conformed / "quarantine" / f"quarantine_{entity}", f"quarantine('{entity}')", _quarantine(entity, spec)),
        ):
            files[path.with_suffix(".sql")] = "{{ " + call + " }}\n"
            files[path.with_suffix(".yml")] = _yaml({"models": [properties]})
    return files


def generate(root: Path) -> list[Path]:
    """Writes the generated files and returns those that changed."""
    files = generated_files(root)
    changed = _differing(root, files)
    for path in changed:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(files[path], encoding="utf-8")
    return changed


def outdated(root: Path) -> list[Path]:
    """The generated files that are missing or differ from what the contract gives: the check mode."""
    return _differing(root, generated_files(root))


def _differing(root: Path, files: Mapping[Path, str]) -> list[Path]:
    return [
        path
        for path, text in files.items()
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text
    ]


def _seeds(root: Path, contract: Mapping[str, Mapping[str, Any]]) -> str:
    return _yaml(
        {
            "seeds": [
                {
                    "name": f"demo_{entity}",
                    "description": f"Demo CRM: {spec['description']}",
                    "config": {"column_types": dict.fromkeys(_seed_columns(root, entity, spec), "string")},
                }
                for entity, spec in contract.items()
            ]
        }
    )


def _seed_columns(root: Path, entity: str, spec: Mapping[str, Any]) -> list[str]:
    """The columns the seed has, in the order of the contract: dbt warns of types for columns it does not find."""
    known = [*spec["columns"], *COMMON_COLUMNS]
    path = root / SEEDS / f"demo_{entity}.csv"
    if not path.is_file():
        return known
    with path.open(newline="", encoding="utf-8") as file:
        header = next(csv.reader(file), [])
    return [name for name in known if name in header]


def _grain(entity: str, spec: Mapping[str, Any]) -> str:
    return " and ".join([", ".join(spec["key"][:-1]), spec["key"][-1]]) if len(spec["key"]) > 1 else spec["key"][0]


def _staging(entity: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": f"stg_crm__{entity}",
        "description": f"One row per row of the input, as it came. {spec['description']}",
    }


def _validated(entity: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": f"validated_{entity}",
        "description": (
            "One row per row of the input, parsed, with its disposition (accepted, quarantined, superseded, "
            f"not_yet_known) and the reasons of a refusal. {spec['description']}"
        ),
        "data_tests": [{"quarantine_share": {"arguments": {"entity": entity}}}],
    }


def _quarantine(entity: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": f"quarantine_{entity}",
        "description": f"One row per refused row of {entity}, with its reasons and its values as they came.",
    }


def _conformed(entity: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    columns = [
        {"name": name, "data_type": SQL_TYPES.get(column["type"], column["type"]), "description": column["description"]}
        for name, column in spec["columns"].items()
    ]
    if "account_id" in spec["columns"]:
        columns.append(
            {
                "name": "source_account_id",
                "data_type": "string",
                "description": "The account as the source names it; differs from account_id after a merge.",
            }
        )
    columns += [
        {"name": "source_system", "data_type": "string", "description": "System the row comes from."},
        {"name": "recorded_at", "data_type": "timestamp", "description": "When the row became known (UTC)."},
    ]
    key = ["source_account_id" if name == "account_id" else name for name in spec["key"]]
    nullable = [name for name in spec["key"] if spec["columns"][name].get("nullable")]
    arguments: dict[str, Any] = {"columns": key, **({"nullable": nullable} if nullable else {})}
    return {
        "name": entity,
        "description": f"One row per {_grain(entity, spec)}. {spec['description']} As known at the as-of date.",
        "config": {"contract": {"enforced": True}},
        "data_tests": [{"unique_key": {"arguments": arguments}}],
        "columns": columns,
    }


def _yaml(document: Mapping[str, Any]) -> str:
    head = "# Made from the input contract by `bestand generate`; edit macros/contract/crm_contract.sql instead.\n"
    body: str = yaml.safe_dump(dict(document), sort_keys=False, width=120, allow_unicode=True)
    return head + body
