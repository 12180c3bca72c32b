with

onboarding as (
    select
        signal,
        window_days
    from {{ ref('signals') }}
    where signal = 'onboarding_incomplete'
),

accounts as (
    select * from {{ ref('accounts') }}
),

versions as (
    select * from {{ ref('int_known_versions') }}
),

milestones as (
    {{ known_rows('milestones') }}
),

completions as (
    select
        milestones.account_id,
        coalesce(accounts.business_model, 'unknown') as business_model,
        greatest(milestones.known_from, {{ known_from_day('milestones.occurred_at') }}) as from_date,
        milestones.known_to as to_date
    from milestones
    inner join accounts on milestones.account_id = accounts.account_id  -- exactly one
    where milestones.milestone = 'onboarding_completed'
),

-- where nobody of the kind has ever completed one, it is not recorded
completion_starts as (
    select
        business_model,
        min(from_date) as completions_from
    from completions
    where from_date < to_date
    group by business_model
),

-- the first paid day, as each state of knowledge has it, and a subscription that began on it
beginnings as (
    select
        account_id,
        known_from,
        known_to,
        min(valid_from) as first_paid_on,
        min(concat(cast(valid_from as string), ' ', subscription_id)) as first_version
    from versions
    group by account_id, known_from, known_to
),

awaited as (
    select
        beginnings.account_id,
        beginnings.first_paid_on,
        substring(beginnings.first_version, 12) as subscription_id,
        onboarding.window_days,
        completion_starts.completions_from,
        greatest(beginnings.known_from, beginnings.first_paid_on, completion_starts.completions_from) as from_date,
        least(beginnings.known_to, {{ add_days('beginnings.first_paid_on', 'onboarding.window_days') }}) as to_date
    from beginnings
    inner join accounts on beginnings.account_id = accounts.account_id  -- exactly one
    -- at most one
    inner join completion_starts on coalesce(accounts.business_model, 'unknown') = completion_starts.business_model
    cross join onboarding
),

-- the milestone is looked for from here on, whatever it says
asked as (
    select
        account_id,
        min(completions_from) as asked_from
    from awaited
    group by account_id
),

points as (
    select
        account_id,
        from_date as valid_from
    from awaited
    where from_date < to_date
    union
    select
        account_id,
        to_date as valid_from
    from awaited
    where from_date < to_date
    union
    select
        account_id,
        asked_from as valid_from
    from asked
    union
    select
        account_id,
        from_date as valid_from
    from completions
    where from_date < to_date
    union
    select
        account_id,
        to_date as valid_from
    from completions
    where from_date < to_date and to_date < {{ open_end() }}
),

completed as (
    select
        points.account_id,
        points.valid_from
    from points
    inner join completions
        on
            points.account_id = completions.account_id
            and points.valid_from >= completions.from_date
            and points.valid_from < completions.to_date
    group by points.account_id, points.valid_from
),

states as (
    select
        points.account_id,
        points.valid_from,
        case when completed.account_id is null then awaited.first_paid_on end as first_paid_on,
        case when completed.account_id is null then awaited.subscription_id end as subscription_id
    from points
    -- exactly one, of contracts only
    inner join asked on points.account_id = asked.account_id and points.valid_from >= asked.asked_from
    left join awaited  -- at most one
        on
            points.account_id = awaited.account_id
            and points.valid_from >= awaited.from_date
            and points.valid_from < awaited.to_date
    left join completed  -- at most one
        on points.account_id = completed.account_id and points.valid_from = completed.valid_from
),

compared as (
    select
        *,
        lag(first_paid_on) over (partition by account_id order by valid_from) as first_paid_before,
        lag(valid_from) over (partition by account_id order by valid_from) is null as is_first
    from states
),

final as (
    select
        compared.account_id,
        onboarding.signal,
        compared.valid_from,
        cast({{ days_between('compared.first_paid_on', 'compared.valid_from') }} as double) as value,
        case when compared.first_paid_on is not null then 1 else 0 end as value_per_day,
        cast(null as double) as baseline,
        true as has_data,
        case
            when compared.first_paid_on is not null
                then concat('{"subscriptions":[', {{ json_string('compared.subscription_id') }}, ']}')
        end as evidence
    from compared
    cross join onboarding
    where compared.is_first or compared.first_paid_on is distinct from compared.first_paid_before
)

select * from final
