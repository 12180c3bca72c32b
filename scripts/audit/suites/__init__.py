"""The suites, one per mart, in the folders of models/marts."""

from __future__ import annotations

from ..spec import Mart
from . import churn, core, early_warning, retention, value

SUITES: dict[str, Mart] = {
    mart.name: mart for folder in (core, retention, churn, value, early_warning) for mart in folder.MARTS
}
