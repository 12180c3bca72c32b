with

versions as (
    select * from {{ ref('int_paid_versions') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates') }}
),

boundaries as (
    select
        account_id,
        valid_from as boundary
    from versions
    union
    select
        account_id,
        valid_to as boundary
    from versions
),

-- between two boundaries of an account nothing changes
stretches as (
    select
        account_id,
        boundary as stretch_start,
        lead(boundary) over (partition by account_id order by boundary) as stretch_end
    from boundaries
),

billed as (
    select
        stretches.account_id,
        stretches.stretch_start,
        stretches.stretch_end,
        versions.subscription_id,
        versions.currency,
        versions.mrr_original,
        cast(case
            when versions.contract_term_months >= 1 then versions.contract_term_months
            else versions.billing_interval_months
        end as integer) as period_months,
        case
            when versions.currency <> '{{ var("reporting_currency") }}'
                then {{ billing_interval_start(
                    'versions.billed_from', 'versions.billing_interval_months', 'stretches.stretch_start'
                ) }}
        end as interval_start
    from stretches
    inner join versions
        on
            stretches.account_id = versions.account_id
            and stretches.stretch_start >= versions.valid_from
            and stretches.stretch_start < versions.valid_to
),

-- currencies are compared at the rate of the billing interval, as everywhere
rated as (
    select
        billed.account_id,
        billed.stretch_start,
        billed.stretch_end,
        billed.subscription_id,
        billed.period_months,
        {{ convert_money(
            'billed.mrr_original', required_rate('billed.currency', 'billed.interval_start', 'fx_rates.rate')
        ) }} as mrr
    from billed
    left join fx_rates  -- at most one
        on billed.currency = fx_rates.currency and billed.interval_start = fx_rates.rate_for
),

-- the subscription with the largest MRR sets the term; without one, a customer can leave with each bill
ranked as (
    select
        account_id,
        stretch_start,
        stretch_end,
        period_months,
        row_number() over (partition by account_id, stretch_start order by mrr desc, subscription_id asc) as rank_by_mrr
    from rated
),

neighboured as (
    select
        account_id,
        stretch_start,
        stretch_end,
        period_months,
        lag(stretch_end) over (partition by account_id order by stretch_start) as previous_end,
        lag(period_months) over (partition by account_id order by stretch_start) as previous_period_months
    from ranked
    where rank_by_mrr = 1
),

numbered as (
    select
        *,
        sum(case when previous_end = stretch_start and previous_period_months = period_months then 0 else 1 end) over (
            partition by account_id order by stretch_start rows between unbounded preceding and current row
        ) as run_number
    from neighboured
),

runs as (
    select
        account_id,
        cast(run_number as integer) as run_number,
        period_months,
        min(stretch_start) as run_start,
        max(stretch_end) as run_end
    from numbered
    group by account_id, run_number, period_months
),

followed as (
    select
        *,
        lead(run_start) over (partition by account_id order by run_number) as next_start
    from runs
),

final as (
    select
        account_id,
        run_number,
        period_months,
        run_start,
        run_end,
        -- what ends with another term of the same relationship has not ended with a loss
        coalesce(next_start <> run_end, true) as ends_with_loss
    from followed
)

select * from final
