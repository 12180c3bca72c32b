"""Writes the parts of docs/ that follow from the project: mart pages, requirement coverage, defaults of the vars."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from . import paths

Node = dict[str, Any]
MADE = "<!-- Made by `make docs` from the descriptions of the models; change those. -->"


def pages(manifest: dict[str, Any], root: Path = paths.ROOT) -> dict[Path, str]:
    """Every generated page by its path below the project root."""
    marts = sorted(
        (node for node in manifest["nodes"].values() if _is_mart(node)), key=lambda node: (_folder(node), node["name"])
    )
    tests = _tests(manifest)
    made = {Path("docs/marts.md"): _index(marts)}
    for folder in sorted({_folder(node) for node in marts}):
        in_folder = [node for node in marts if _folder(node) == folder]
        made[Path(f"docs/marts/{folder}.md")] = _folder_page(folder, in_folder)
    requirements = yaml.safe_load((root / "docs/requirements.yml").read_text(encoding="utf-8"))
    made[Path("docs/coverage.md")] = _coverage(requirements, manifest, tests)
    vars_page = root / "docs/vars.md"
    made[Path("docs/vars.md")] = with_defaults(vars_page.read_text(encoding="utf-8"), project_vars(root))
    return {path: text.rstrip() + "\n" for path, text in made.items()}


def write(made: dict[Path, str], root: Path = paths.ROOT) -> list[Path]:
    """Writes the pages, removes mart pages whose folder is gone, and gives what changed."""
    changed = outdated(made, root)
    for path in changed:
        if path in made:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(made[path], encoding="utf-8")
        else:
            (root / path).unlink()
    return changed


def outdated(made: dict[Path, str], root: Path = paths.ROOT) -> list[Path]:
    """The pages whose file differs, is missing, or should be gone."""
    differs = [path for path, text in made.items() if not _same(root / path, text)]
    gone = [path.relative_to(root) for path in (root / "docs/marts").glob("*.md")]
    return sorted([*differs, *(path for path in gone if path not in made)])


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def read_manifest(target: Path) -> dict[str, Any]:
    """The manifest that dbt has left in its target folder."""
    manifest: dict[str, Any] = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    return manifest


# --- marts ---


def _is_mart(node: Node) -> bool:
    return node["resource_type"] == "model" and str(node["original_file_path"]).startswith("models/marts/")


def _folder(node: Node) -> str:
    parts = Path(node["original_file_path"]).parts[2:-1]
    return parts[0] if parts else "marts"


def requirement_ids(node: Node) -> list[str]:
    """The requirement ids a node names: meta.requirement, one id or a list of them."""
    meta = {**node.get("meta", {}), **node.get("config", {}).get("meta", {})}
    named = meta.get("requirement", [])
    return [str(one) for one in (named if isinstance(named, list) else re.split(r"[,\s]+", str(named))) if one]


def _tests(manifest: dict[str, Any]) -> dict[str, set[str]]:
    """The names of the unit tests of each model and of the tests of its own (tests/data) that read it."""
    found: dict[str, set[str]] = defaultdict(set)
    for node in manifest["nodes"].values():
        if node["resource_type"] == "test" and not node.get("test_metadata"):
            for model in node["depends_on"]["nodes"]:
                found[model].add(node["name"])
    for node in manifest.get("unit_tests", {}).values():
        for model in node["depends_on"]["nodes"][:1]:
            found[model].add(node["name"])
    return found


def _index(marts: list[Node]) -> str:
    lines = [MADE, "", "# Marts", "", "One row means one thing, said first. Open a folder for the columns.", ""]
    lines += ["| mart | one row is | answers |", "|---|---|---|"]
    for node in marts:
        link = f"[{node['name']}](marts/{_folder(node)}.md#{node['name']})"
        answers = ", ".join(requirement_ids(node))
        lines.append(f"| {link} | {_cell(_first_sentence(node['description']))} | {answers} |")
    return "\n".join(lines)


def _folder_page(folder: str, marts: list[Node]) -> str:
    lines = [MADE, "", f"# {folder.replace('_', ' ').capitalize()}", ""]
    for node in marts:
        lines += [f"## {node['name']}", "", node["description"].strip(), ""]
        ids = ", ".join(f"[{one}](../coverage.md#{one.lower()})" for one in requirement_ids(node))
        lines += [f"Answers {ids}.", ""] if ids else []
        lines += ["| column | type | meaning |", "|---|---|---|"]
        for column in node["columns"].values():
            lines.append(f"| {column['name']} | {column.get('data_type') or ''} | {_cell(column['description'])} |")
        lines.append("")
    return "\n".join(lines)


def _first_sentence(text: str) -> str:
    flat = " ".join(text.split())
    return re.split(r"(?<!e\.g)(?<!i\.e)(?<=\.)\s", flat, maxsplit=1)[0]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# --- coverage ---


def _coverage(requirements: dict[str, str], manifest: dict[str, Any], tests: dict[str, set[str]]) -> str:
    answering: dict[str, list[Node]] = defaultdict(list)
    proving: dict[str, list[Node]] = defaultdict(list)
    for node in [*manifest["nodes"].values(), *manifest.get("unit_tests", {}).values()]:
        if node["resource_type"] == "model":
            group = answering
        elif node["resource_type"] in ("test", "unit_test"):
            group = proving
        else:
            continue
        for one in requirement_ids(node):
            group[one].append(node)
    unknown = sorted({*answering, *proving} - set(requirements))
    if unknown:
        raise ValueError(f"meta.requirement names what docs/requirements.yml does not have: {', '.join(unknown)}")
    lines = [MADE, "", "# Which question is answered where", ""]
    answered = sum(1 for one in requirements if answering[one])
    lines += [f"{answered} of {len(requirements)} requirements have a model that answers them.", ""]
    lines += [
        "Besides the tests named here, every mart's yml holds its keys, its contract and the rules of its rows.",
        "",
    ]
    lines += ["| id | question | answered by | tested by |", "|---|---|---|---|"]
    for one, question in requirements.items():
        models = sorted(answering[one], key=lambda node: str(node["name"]))
        tested = {name for node in models for name in tests[node["unique_id"]]}
        tested |= {str(node["name"]) for node in proving[one]}
        names = ", ".join(_link(node) for node in models) or "not yet"
        by = ", ".join(f"`{name}`" for name in sorted(tested))
        lines.append(f'| <a id="{one.lower()}"></a>{one} | {_cell(question)} | {names} | {by} |')
    return "\n".join(lines)


def _link(node: Node) -> str:
    return f"[{node['name']}](marts/{_folder(node)}.md#{node['name']})" if _is_mart(node) else f"`{node['name']}`"


# --- vars ---


def project_vars(root: Path = paths.ROOT) -> dict[str, Any]:
    """The vars of dbt_project.yml with their defaults."""
    project = yaml.load((root / "dbt_project.yml").read_text(encoding="utf-8"), Loader=_TextDates)
    found: dict[str, Any] = project["vars"]
    return found


class _TextDates(yaml.SafeLoader):
    """Leaves dates as the text they are written as."""


_TextDates.yaml_implicit_resolvers = {
    key: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for key, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def with_defaults(page: str, defaults: dict[str, Any]) -> str:
    """The page on vars with each `Default:` line as dbt_project.yml has it; every var needs its heading."""
    headings = re.findall(r"^### `(\w+)`$", page, flags=re.MULTILINE)
    for problem, names in (
        ("does not explain", set(defaults) - set(headings)),
        ("explains what dbt_project.yml does not have", set(headings) - set(defaults)),
        ("explains twice", {one for one in headings if headings.count(one) > 1}),
    ):
        if names:
            raise ValueError(f"docs/vars.md {problem}: {', '.join(sorted(names))}")
    for name in headings:
        line = f"### `{name}`\n\nDefault: `{_as_yaml(defaults[name])}`"
        page, done = re.subn(rf"^### `{name}`\n\nDefault: .*$", line.replace("\\", r"\\"), page, flags=re.MULTILINE)
        if not done:
            raise ValueError(f"docs/vars.md gives no default for {name}: a line 'Default:' follows the heading")
    return page


def _as_yaml(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=1000, sort_keys=False).strip()
    return text.removesuffix("...").strip().replace("'", '"')


def differing(paths_: Iterable[Path]) -> str:
    """A list of pages for a message."""
    return ", ".join(str(path) for path in paths_)
