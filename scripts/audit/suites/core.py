"""What is expected of the accounts of the input."""

from __future__ import annotations

from ..spec import Bound, Each, Gap, Mart

MARTS = (
    Mart(
        "input_accounting",
        needs="always",
        key=("entity",),
        needed=("is_supplied", "rows_read", "rows_accepted"),
        amounts=("rows_read", "rows_accepted", "rows_quarantined", "rows_superseded", "rows_not_yet_known"),
        rows=False,
        each=(Each("rows_read", "entity", "rows_read", "input_rows", base="rows_read"),),
        gaps=(
            Gap(
                "entities_of_the_contract",
                "every entity of the input contract is accounted for",
                """select 1 as gap, entity as place from (select unnest({entities}) as entity)
                where entity not in (select entity from marts.input_accounting)""",
            ),
            Gap(
                "rows_add_up",
                "accepted, quarantined, superseded and not yet known rows are those read",
                """select
                    abs(rows_accepted + rows_quarantined + rows_superseded + rows_not_yet_known - rows_read) as gap,
                    entity as place
                from marts.input_accounting""",
            ),
        ),
        bounds=(
            Bound(
                "days_since_the_newest_row",
                "select date_diff('day', max(cast(newest_recorded_at as date)), {as_of}) from marts.input_accounting",
                "days_without_input",
                "days from the newest row of the input to the as-of date",
            ),
            Bound(
                "quarantined_share",
                """select 100e0 * max((rows_quarantined - rows_parent_quarantined) / rows_read)
                from marts.input_accounting where rows_read >= 100""",
                "quarantined_share",
                "largest share of an entity's rows that was quarantined",
            ),
        ),
    ),
)
