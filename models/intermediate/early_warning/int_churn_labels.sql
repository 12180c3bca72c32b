with

customers as (
    select * from {{ ref('int_customer_dates') }}
),

spells as (
    select * from {{ ref('int_known_spells') }}
),

asked as (
    select
        grid_date,
        account_id,
        known_end_on,
        {{ add_days('grid_date', var('churn_lead_days')) }} as lead_ends_on,
        {{ horizon_end('grid_date') }} as horizon_ends_on
    from customers
    where relationship = 'contract' and (is_month_start or is_as_of)
),

-- what was believed at the end of the horizon; nothing learned later changes a label
believed as (
    select
        asked.grid_date,
        asked.account_id,
        asked.horizon_ends_on,
        spells.spell_start,
        spells.spell_end
    from asked
    inner join spells
        on
            asked.account_id = spells.account_id
            and asked.horizon_ends_on >= spells.known_from
            and asked.horizon_ends_on < spells.known_to
    where asked.horizon_ends_on <= {{ as_of_date() }}
),

present as (
    select
        grid_date,
        account_id
    from believed
    where spell_start <= grid_date and spell_end > grid_date
    group by grid_date, account_id
),

ended as (
    select
        grid_date,
        account_id,
        spell_end,
        least(
            case
                when spell_end = {{ period_start_of('month', 'spell_end') }} then spell_end
                else {{ add_months(period_start_of('month', 'spell_end'), 1) }}
            end,
            horizon_ends_on
        ) as looked_at_on
    from believed
    where spell_end > grid_date and spell_end <= horizon_ends_on
),

-- a return by the next start of a month is no loss there, and none here
returned as (
    select
        ended.grid_date,
        ended.account_id,
        ended.spell_end
    from ended
    inner join believed
        on
            ended.grid_date = believed.grid_date
            and ended.account_id = believed.account_id
            and ended.looked_at_on >= believed.spell_start
            and ended.looked_at_on < believed.spell_end
    group by ended.grid_date, ended.account_id, ended.spell_end
),

lost as (
    select
        ended.grid_date,
        ended.account_id,
        min(ended.spell_end) as churned_on
    from ended
    left join returned  -- at most one
        on
            ended.grid_date = returned.grid_date
            and ended.account_id = returned.account_id
            and ended.spell_end = returned.spell_end
    where returned.spell_end is null
    group by ended.grid_date, ended.account_id
),

final as (
    select
        asked.grid_date,
        asked.account_id,
        case
            when asked.horizon_ends_on > {{ as_of_date() }} then 'open'
            when present.account_id is null or lost.churned_on <= asked.lead_ends_on then 'left_in_lead'
            when asked.known_end_on <= asked.horizon_ends_on then 'known_end'
            when lost.churned_on is not null then 'churned'
            else 'stayed'
        end as state,
        lost.churned_on
    from asked
    left join present  -- at most one
        on asked.grid_date = present.grid_date and asked.account_id = present.account_id
    left join lost  -- at most one
        on asked.grid_date = lost.grid_date and asked.account_id = lost.account_id
)

select * from final
