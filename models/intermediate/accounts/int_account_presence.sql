with

spells as (
    select * from {{ ref('int_account_spells') }}
),

periods as (
    select * from {{ ref('int_periods') }}
    where period_grain <> 'week'
),

first_days as (
    select
        account_id,
        min(spell_start) as first_paid_day
    from spells
    group by account_id
),

-- from the period that the day before the first paid one lies in: who begins on a boundary is new in the period before
spine as (
    select
        periods.*,
        first_days.account_id,
        first_days.first_paid_day
    from first_days
    inner join periods on periods.next_period_start >= first_days.first_paid_day
),

touched as (
    select
        periods.period_grain,
        periods.period_start,
        spells.account_id,
        bool_or(spells.spell_start <= periods.period_start) as is_active_start,
        bool_or(spells.spell_end > periods.period_end) as is_active_end,
        bool_or(spells.spell_start <= periods.period_start and spells.spell_end > periods.period_end)
            as is_uninterrupted,
        min(case when spells.spell_start > periods.period_start then spells.spell_start end) as first_active_day
    from spells
    inner join periods
        on spells.spell_start <= periods.period_end and spells.spell_end > periods.period_start
    group by periods.period_grain, periods.period_start, spells.account_id
),

joined as (
    select
        spine.*,
        coalesce(touched.is_active_start, false) as is_active_start,
        coalesce(touched.is_active_end, false) as is_active_end,
        coalesce(touched.is_uninterrupted, false) as is_uninterrupted,
        touched.first_active_day
    from spine
    left join touched
        on
            spine.period_grain = touched.period_grain
            and spine.period_start = touched.period_start
            and spine.account_id = touched.account_id
),

final as (
    select
        period_grain,
        period_start,
        next_period_start,
        period_end,
        is_complete,
        account_id,
        first_paid_day,
        case
            when first_paid_day >= period_start then 0
            else cast({{ complete_months_between('first_paid_day', 'period_start') }} as integer)
        end as tenure_months,
        is_active_start,
        is_active_end,
        bool_or(is_active_start) over (
            partition by account_id, period_grain
            order by period_start
            rows between unbounded preceding and current row
        ) as was_active_before,
        not is_active_start and not is_active_end and first_active_day is not null as joined_and_left,
        is_active_start and is_active_end and not is_uninterrupted as left_and_returned,
        case when is_active_start then period_start else coalesce(first_active_day, period_start) end as segment_on
    from joined
)

select * from final
