with

versions as (
    select * from {{ ref('int_known_versions') }}
),

spells as (
    select * from {{ ref('int_known_spells') }}
),

months as (
    select * from {{ ref('int_periods') }}
    where period_grain = 'month' and is_complete
),

-- days from which on an account's past is seen otherwise than before
changes as (
    select
        account_id,
        known_to as changed_on
    from versions
    where known_to < {{ open_end() }}
    union
    select
        account_id,
        known_from as changed_on
    from versions
    where known_from > cast('0001-01-01' as date)
),

sides as (
    select
        account_id,
        changed_on,
        'before' as side
    from changes
    union all
    select
        account_id,
        changed_on,
        'after' as side
    from changes
),

-- the months that were over, and so could be read, before that day
asked as (
    select
        sides.account_id,
        sides.changed_on,
        sides.side,
        months.period_start,
        months.next_period_start
    from sides
    inner join months on sides.changed_on > months.next_period_start
),

present as (
    select
        asked.account_id,
        asked.changed_on,
        asked.side,
        asked.period_start,
        bool_or(spells.spell_start <= asked.period_start) as is_active_start,
        bool_or(spells.spell_end > asked.next_period_start) as is_active_end,
        bool_or(spells.spell_start <= asked.period_start and spells.spell_end > asked.next_period_start)
            as is_uninterrupted,
        bool_or(spells.spell_start > asked.period_start) as begins_within
    from asked
    inner join spells
        on
            asked.account_id = spells.account_id
            and asked.changed_on = case when asked.side = 'before' then spells.known_to else spells.known_from end
            and spells.spell_start <= asked.next_period_start
            and spells.spell_end > asked.period_start
    group by asked.account_id, asked.changed_on, asked.side, asked.period_start
),

-- what the counts of a month are made of
flagged as (
    select
        asked.account_id,
        asked.changed_on,
        asked.side,
        asked.period_start,
        coalesce(present.is_active_start, false) as is_active_start,
        coalesce(present.is_active_end, false) as is_active_end,
        bool_or(coalesce(present.is_active_start, false)) over (
            partition by asked.account_id, asked.changed_on, asked.side
            order by asked.period_start
            rows between unbounded preceding and current row
        ) as was_active_before,
        coalesce(not present.is_active_start and not present.is_active_end and present.begins_within, false)
            as joined_and_left,
        coalesce(present.is_active_start and present.is_active_end and not present.is_uninterrupted, false)
            as left_and_returned
    from asked
    left join present  -- at most one
        on
            asked.account_id = present.account_id
            and asked.changed_on = present.changed_on
            and asked.side = present.side
            and asked.period_start = present.period_start
),

counted_otherwise as (
    select
        seen_before.period_start,
        seen_before.changed_on,
        seen_before.account_id
    from flagged as seen_before
    inner join flagged as seen_after  -- exactly one
        on
            seen_before.account_id = seen_after.account_id
            and seen_before.changed_on = seen_after.changed_on
            and seen_before.period_start = seen_after.period_start
            and seen_after.side = 'after'
    where
        seen_before.side = 'before'
        and (
            seen_before.is_active_start <> seen_after.is_active_start
            or seen_before.is_active_end <> seen_after.is_active_end
            or seen_before.joined_and_left <> seen_after.joined_and_left
            or seen_before.left_and_returned <> seen_after.left_and_returned
            -- new, or a reactivation
            or (
                seen_after.is_active_end
                and not seen_after.is_active_start
                and seen_before.was_active_before <> seen_after.was_active_before
            )
        )
),

paid as (
    select
        asked.account_id,
        asked.changed_on,
        asked.period_start,
        versions.currency,
        case when asked.side = 'before' then -versions.mrr_original else versions.mrr_original end as mrr_difference,
        versions.valid_from <= asked.period_start as is_at_start,
        versions.valid_to > asked.next_period_start as is_at_end
    from asked
    inner join versions
        on
            asked.account_id = versions.account_id
            and asked.changed_on = case when asked.side = 'before' then versions.known_to else versions.known_from end
            and versions.valid_from <= asked.next_period_start
            and versions.valid_to > asked.period_start
),

valued_otherwise as (
    select
        period_start,
        changed_on,
        account_id
    from paid
    group by period_start, changed_on, account_id, currency
    having
        sum(case when is_at_start then mrr_difference else 0 end) <> 0
        or sum(case when is_at_end then mrr_difference else 0 end) <> 0
),

restated as (
    select
        period_start,
        changed_on,
        account_id
    from counted_otherwise
    union
    select
        period_start,
        changed_on,
        account_id
    from valued_otherwise
),

final as (
    select
        period_start as month_start,
        max(changed_on) as restated_at,
        {{ count_where('true') }} as restatements
    from restated
    group by period_start
)

select * from final
