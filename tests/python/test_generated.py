"""The generated models and properties are those that the input contract gives."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import yaml
from project import ROOT

sys.path.insert(0, str(ROOT / "scripts"))
import generate


def test_committed_files_are_those_of_the_contract() -> None:
    assert generate.outdated(ROOT) == []


def test_no_entity_is_left_over() -> None:
    """What is generated for an entity goes when the entity does."""
    generated = set(generate.generated_files(ROOT))
    for pattern in ("staging/crm/stg_crm__*", "conformed/validated/*", "conformed/quarantine/quarantine_*"):
        committed = {path.relative_to(ROOT) for path in (ROOT / "models").glob(pattern)} - {
            Path("models/staging/crm/stg_crm__inputs.sql"),
            Path("models/staging/crm/stg_crm__inputs.yml"),
        }
        assert committed <= generated


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    (tmp_path / generate.CONTRACT).parent.mkdir(parents=True)
    shutil.copy(ROOT / generate.CONTRACT, tmp_path / generate.CONTRACT)
    return tmp_path


def test_generate_writes_what_differs_and_nothing_else(copy: Path) -> None:
    everything = generate.generate(copy)
    assert len(everything) == 25 * 8 + 1
    assert generate.outdated(copy) == [] and generate.generate(copy) == []
    contract = copy / generate.CONTRACT
    contract.write_text(contract.read_text().replace("description: Key of the order.", "description: The order."))
    assert generate.outdated(copy) == [Path("models/conformed/orders.yml")]
    (copy / "models/conformed/plans.sql").write_text("select 1")
    assert set(generate.generate(copy)) == {Path("models/conformed/orders.yml"), Path("models/conformed/plans.sql")}
    assert (copy / "models/conformed/plans.sql").read_text() == "{{ conformed('plans') }}\n"


def test_seed_types_follow_the_columns_of_the_seed(copy: Path) -> None:
    (copy / "seeds/demo").mkdir(parents=True)
    (copy / "seeds/demo/demo_features.csv").write_text("is_core,feature,recorded_at\n")
    generate.generate(copy)
    seeds = yaml.safe_load((copy / "seeds/demo/_demo.yml").read_text())["seeds"]
    (features,) = [seed for seed in seeds if seed["name"] == "demo_features"]
    assert features["config"]["column_types"] == {"feature": "string", "is_core": "string", "recorded_at": "string"}


def test_a_contract_without_its_block_is_refused(copy: Path) -> None:
    (copy / generate.CONTRACT).write_text("nothing")
    with pytest.raises(ValueError, match="holds no contract_yaml block"):
        generate.read_contract(copy)
