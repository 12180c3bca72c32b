"""A sqlfluff plugin (see pyproject.toml): its DuckDB dialect does not know grouping sets, cube and rollup.

DuckDB does, and PostgreSQL's dialect, which DuckDB's is made from. To be dropped once sqlfluff has them.
"""

from __future__ import annotations

from sqlfluff.core.parser import Dedent, Indent, OneOf, Ref, Sequence
from sqlfluff.dialects.dialect_duckdb import GroupByClauseSegment

_known = GroupByClauseSegment.match_grammar
GroupByClauseSegment.match_grammar = OneOf(
    Sequence(
        "GROUP",
        "BY",
        Indent,
        OneOf(Ref("GroupingSetsClauseSegment"), Ref("CubeRollupClauseSegment")),
        Dedent,
    ),
    _known,
)
