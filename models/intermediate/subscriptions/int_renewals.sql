with

versions as (
    select * from {{ ref('int_subscription_versions') }}
    where is_paid
),

numbers as (
    {{ number_spine() }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates') }}
),

neighboured as (
    select
        *,
        lag(valid_to) over (partition by subscription_id order by valid_from) as previous_to,
        lag(contract_term_months) over (partition by subscription_id order by valid_from) as previous_term,
        lead(valid_from) over (partition by subscription_id order by valid_from) as next_from
    from versions
),

-- where no term end is given, terms are counted from the day the subscription began to run under this term
numbered as (
    select
        *,
        sum(case
            when previous_to = valid_from and previous_term = contract_term_months then 0
            else 1
        end) over (
            partition by subscription_id order by valid_from rows between unbounded preceding and current row
        ) as run_number
    from neighboured
),

with_term as (
    select
        *,
        coalesce(
            contract_end_on,
            {{ add_months(
                'min(valid_from) over (partition by subscription_id, run_number)', 'contract_term_months'
            ) }}
        ) as first_due_on,
        case when contract_term_months >= 1 then contract_term_months end as term_months,
        -- the day up to which due dates of this version are history: its own end, or today
        least(valid_to, {{ add_days(as_of_date(), 1) }}) as settled_to
    from numbered
    where contract_end_on is not null or contract_term_months >= 1
),

bounded as (
    select
        *,
        case
            when term_months is null or first_due_on >= settled_to then 0
            else floor({{ calendar_months_between('first_due_on', 'settled_to') }} / term_months) + 1
        end as last_term
    from with_term
),

-- every term end up to the first that is not settled yet
due as (
    select
        bounded.*,
        {{ add_months('bounded.first_due_on', 'numbers.i * coalesce(bounded.term_months, 0)') }} as due_on
    from bounded
    inner join numbers on numbers.i <= bounded.last_term
    where
        numbers.i = 0
        or {{ add_months('bounded.first_due_on', '(numbers.i - 1) * bounded.term_months') }} < bounded.settled_to
),

-- a term end after the version's own end belongs to the version that followed it, if one did
owned as (
    select * from due
    where due_on > valid_from and (due_on <= valid_to or next_from is null or next_from > valid_to)
),

in_force as (
    select
        account_id,
        coalesce(product, '') as product,
        valid_from,
        valid_to
    from versions
),

renewed as (
    select distinct
        owned.subscription_id,
        owned.due_on
    from owned
    inner join in_force
        on
            owned.account_id = in_force.account_id
            and coalesce(owned.product, '') = in_force.product
            and owned.due_on >= in_force.valid_from
            and owned.due_on < in_force.valid_to
    where owned.due_on <= {{ as_of_date() }}
),

with_interval as (
    select
        owned.*,
        {{ billing_interval_start(
            'owned.valid_from', 'owned.billing_interval_months',
            'least(' ~ add_days('owned.due_on', -1) ~ ', ' ~ add_days('owned.settled_to', -1) ~ ')'
        ) }} as interval_start
    from owned
),

final as (
    select
        with_interval.subscription_id,
        with_interval.due_on,
        with_interval.account_id,
        with_interval.product,
        with_interval.plan,
        with_interval.contract_term_months,
        with_interval.auto_renews,
        with_interval.notice_given_on,
        case
            when renewed.subscription_id is not null then 'renewed'
            when with_interval.due_on > {{ as_of_date() }} and with_interval.valid_to > {{ as_of_date() }} then 'open'
            else 'lost'
        end as outcome,
        case when with_interval.valid_to <= {{ as_of_date() }} then with_interval.valid_to end as version_ended_on,
        {{ convert_money(
            'with_interval.mrr_original',
            required_rate('with_interval.currency', 'with_interval.interval_start', 'fx_rates.rate')
        ) }} as mrr
    from with_interval
    left join fx_rates  -- at most one
        on with_interval.currency = fx_rates.currency and with_interval.interval_start = fx_rates.rate_for
    left join renewed  -- at most one
        on with_interval.subscription_id = renewed.subscription_id and with_interval.due_on = renewed.due_on
)

select * from final
