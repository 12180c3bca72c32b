"""The suites, one per mart, in the folders of models/marts."""

from __future__ import annotations

from ..spec import Mart
from . import churn, core, early_warning, retention, value

FOLDERS: dict[str, tuple[Mart, ...]] = {
    "core": core.MARTS,
    "retention": retention.MARTS,
    "churn": churn.MARTS,
    "value": value.MARTS,
    "early_warning": early_warning.MARTS,
}
SUITES: dict[str, Mart] = {mart.name: mart for marts in FOLDERS.values() for mart in marts}
