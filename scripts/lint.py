"""Lint of the SQL, the Jinja around it and the YAML beside it: `python -m bestand.lint`, used by `make lint`.

sqlfluff renders every model with dbt, so what it checks is the SQL that runs. It leaves out a file that dbt cannot
compile and still exits with 0; here such a file is an error. Macros it cannot render at all: they get plain checks
of their text.

The models generated from the input contract are one macro call each, and sqlfluff has nothing to say of what a macro
writes except that it parses; but it reads all of it, which took four times as long as everything else. So each kind is
linted for one entity; that the others are the same call is `bestand generate --check`'s to know.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from . import paths

MAX_COLUMNS = 160  # of macros: SQL keeps to 120 (.sqlfluff), sentences for the user may run on
CONTRACT = "macros/contract/crm_contract.sql"  # data: one line per column, however long its description
ABOUT_THE_DATA = ("input_accounting",)  # marts that answer for the input, not for one of the requirements
SAMPLE_ENTITY = "features"
RENDERED = ("models", "tests/data")
TEXT = ("macros", "tests/generic", *RENDERED)

DECIMAL = r"(?<!cast\()(?<![\w.'\"])\d+\.\d+(?![\d.]*e)"
VARCHAR = r"\bvarchar\b"

# Constructs that not every engine has (docs: macros/portability holds what differs). SQL text only.
NOT_PORTABLE = {
    r"::": "use cast(... as ...)",
    r"\bqualify\b": "filter in a CTE of its own",
    r"\bstring_agg\b": "use dbt.listagg",
    r"\bunion\s+(?:all\s+)?by\s+name\b": "name the columns",
    r"\bwith\s+recursive\b": "join a spine",
    DECIMAL: "a decimal literal: write 1e0 for a double, or cast it",
    VARCHAR: "use string",
    r"\bcurrent_(?:date|timestamp)\b|\bnow\(\)|\btoday\(\)": "no model reads the clock: as_of_date()",
}
BARE_ONLY = (DECIMAL, VARCHAR)
UPPER = re.compile(
    r"\b(?:SELECT|FROM|WHERE|GROUP BY|ORDER BY|PARTITION BY|(?:LEFT|INNER|CROSS|FULL) JOIN|UNION ALL|CASE|WHEN|THEN)\b"
)


def files(root: Path, folders: Iterable[str], *suffixes: str) -> list[Path]:
    """The project's files below these folders, sorted."""
    return sorted(
        path for folder in folders for path in (root / folder).rglob("*") if path.is_file() and path.suffix in suffixes
    )


def sql_only(text: str) -> str:
    """The text with comments blanked in place, so that positions still hold."""
    return re.sub(r"\{#.*?#\}|--[^\n]*", _blank, text, flags=re.DOTALL)


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match.group())


def not_portable(text: str) -> Iterator[tuple[int, str]]:
    """Line and reason of every construct that would not run unchanged on Spark."""
    sql = sql_only(text)
    # inside Jinja numbers and types are Python's, in quotes they are text
    bare = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|'[^'\n]*'", _blank, sql, flags=re.DOTALL)
    for pattern, reason in NOT_PORTABLE.items():
        searched = bare if pattern in BARE_ONLY else sql
        for match in re.finditer(pattern, searched, flags=re.IGNORECASE):
            yield sql.count("\n", 0, match.start()) + 1, f"{match.group().strip()!r} is not portable: {reason}"


def layout(text: str) -> Iterator[tuple[int, str]]:
    """Line and reason of what sqlfluff would say of a file that it cannot render."""
    for number, line in enumerate(text.splitlines(), start=1):
        # a macro and its dispatch stand in one line, whose length is that of its names
        if len(line) > MAX_COLUMNS and "adapter.dispatch(" not in line:
            yield number, f"{len(line)} columns; {MAX_COLUMNS} at most"
        if "\t" in line:
            yield number, "a tab; indent with spaces"
        if line != line.rstrip():
            yield number, "spaces at the end of the line"
    if text and not text.endswith("\n"):
        yield text.count("\n") + 1, "no line break at the end of the file"


def upper_case(text: str) -> Iterator[tuple[int, str]]:
    """Line and reason of SQL keywords in upper case."""
    sql = sql_only(text)
    for match in UPPER.finditer(sql):
        yield sql.count("\n", 0, match.start()) + 1, f"{match.group()} is upper case; SQL is written in lower case"


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a mapping that has a key twice, of which the last would win silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key, (where, _) in zip(keys, node.value, strict=True):
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} twice", where.start_mark)
        return super().construct_mapping(node, deep)


def yaml_errors(text: str) -> Iterator[tuple[int, str]]:
    """Line and reason where YAML cannot be read, or has a key twice."""
    try:
        yaml.load(text, Loader=_UniqueKeys)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        yield line, str(error.problem)


def unpaired(root: Path) -> Iterator[str]:
    """Models without a yml of the same name beside them, and yml files that describe another model than their name."""
    for path in files(root, ["models"], ".sql"):
        beside = path.with_suffix(".yml")
        if not beside.exists():
            yield f"{path.relative_to(root)}: no {beside.name} beside it"
            continue
        described = [model["name"] for model in (yaml.safe_load(beside.read_text()) or {}).get("models") or []]
        if described != [path.stem]:
            yield f"{beside.relative_to(root)}: describes {described}; expected [{path.stem!r}]"


def undescribed(manifest: dict[str, Any]) -> Iterator[str]:
    """Models without a description, and marts without a requirement or with columns not described."""
    from .docs import requirement_ids

    for node in manifest["nodes"].values():
        if node["resource_type"] != "model":
            continue
        if not node["description"].strip():
            yield f"{node['name']}: no description"
        if node["original_file_path"].startswith("models/marts/"):
            if not requirement_ids(node) and node["name"] not in ABOUT_THE_DATA:
                yield f"{node['name']}: no meta.requirement"
            for column in node["columns"].values():
                if not column["description"].strip():
                    yield f"{node['name']}.{column['name']}: no description"


def text_findings(root: Path) -> Iterator[str]:
    """All findings of the checks that only read text."""
    for path in files(root, TEXT, ".sql"):
        if path == root / CONTRACT:
            continue
        text = path.read_text(encoding="utf-8")
        found = [] if _within(path, root, RENDERED) else [*layout(text), *upper_case(text)]
        if not _within(path, root, ["macros/portability"]):
            found += not_portable(text)
        yield from (f"{path.relative_to(root)}:{line}: {reason}" for line, reason in sorted(found))
    for path in [*root.glob("*.yml"), *files(root, ["profiles", *TEXT], ".yml")]:
        text = path.read_text(encoding="utf-8")
        for line, reason in yaml_errors(text):
            yield f"{path.relative_to(root)}:{line}: {reason}"
    yield from unpaired(root)


def _within(path: Path, root: Path, folders: Iterable[str]) -> bool:
    return any(path.is_relative_to(root / folder) for folder in folders)


def rendered(root: Path) -> list[Path]:
    """The files that sqlfluff has to render: all but the generated ones, of which one entity stands for all."""
    generated = re.compile(r"\{\{ \w+\('(\w+)'\) \}\}\n")
    found = []
    for path in files(root, RENDERED, ".sql"):
        call = generated.fullmatch(path.read_text(encoding="utf-8"))
        if call is None or call.group(1) == SAMPLE_ENTITY:
            found.append(path)
    return found


def sqlfluff_findings(root: Path, only: Iterable[Path] = ()) -> Iterator[str]:
    """What sqlfluff finds in the rendered SQL, and every file that it left out."""
    wanted = set(only) or set(rendered(root))
    if not wanted:
        return
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "sqlfluff.json"
        # rendering needs a database to connect to, not one with tables in it
        environment = {**os.environ, "BESTAND_DATABASE": ":memory:", "DBT_LOG_PATH": scratch, "DO_NOT_TRACK": "1"}
        command = [sys.executable, "-m", "sqlfluff", "lint", "--processes", "2", "--format", "json"]
        command += ["--disable-progress-bar", "--write-output", str(out), *map(str, sorted(wanted))]
        run = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
        if not out.exists():
            yield f"sqlfluff ended without a result:\n{run.stdout}{run.stderr}"
            return
        results = json.loads(out.read_text(encoding="utf-8"))
    for result in results:
        for finding in result["violations"]:
            if not finding.get("warning"):
                place = f"{_relative(result['filepath'], root)}:{finding['start_line_no']}:{finding['start_line_pos']}"
                yield f"{place}: {finding['code']} {finding['description']}"
    # a file left out is missing, or there with nothing read from it: that depends on how sqlfluff shares out the work
    read = [result for result in results if result["statistics"]["source_chars"]]
    seen = {(root / result["filepath"]).resolve() for result in read}
    reasons = [line for line in run.stdout.splitlines() + run.stderr.splitlines() if "kipped" in line]
    for path in sorted(wanted):
        if path.resolve() not in seen:
            why = next((line for line in reasons if path.name in line), "sqlfluff does not say why")
            yield f"{path.relative_to(root)}: not linted: {why}"


def _relative(path: str, root: Path) -> str:
    full = (root / path).resolve()
    return str(full.relative_to(root)) if full.is_relative_to(root) else path


def main(root: Path = paths.ROOT) -> int:
    """Prints all findings; 1 when there are any."""
    findings = [*text_findings(root), *sqlfluff_findings(root)]
    for finding in findings:
        print(finding)
    print(f"SQL lint: {len(rendered(root))} files rendered, {len(findings)} findings", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
