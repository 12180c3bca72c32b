{#- the names of the health features say these lengths -#}
{%- set window_days = 28 -%}
{%- set both_days = 56 -%}
with

usage_days as (
    select * from {{ ref('int_usage_days') }}
),

-- Read several times, each time other columns: streamed, as storing it would cost more than reading it again.
feature_days as {{ streamed_cte() }} (
    select * from {{ ref('int_usage_feature_days') }}
),

usage_starts as (
    select * from {{ ref('int_usage_starts') }}
),

stretches as (
    select * from {{ ref('int_customer_stretches') }}
    where relationship = 'contract'
),

customers as (
    select
        grid_date,
        account_id,
        business_model
    from {{ ref('int_customer_dates') }}
    where relationship = 'contract'
),

dates as (
    select distinct grid_date from customers
),

used_days as (
    select distinct used_on from feature_days
),

-- a day lies in the windows of a few dates: looked up once per day, so that rows are joined by equality
window_dates as (
    select
        used_days.used_on,
        dates.grid_date,
        dates.grid_date <= {{ add_days('used_days.used_on', window_days) }} as is_recent
    from used_days
    inner join dates
        on dates.grid_date > used_days.used_on and dates.grid_date <= {{ add_days('used_days.used_on', both_days) }}
),

counted as (
    select
        window_dates.grid_date,
        feature_days.account_id,
        feature_days.feature,
        sum(case when window_dates.is_recent then feature_days.quantity else 0 end) as quantity_28,
        sum(case when window_dates.is_recent then 0 else feature_days.quantity end) as quantity_prev_28
    from feature_days
    inner join window_dates on feature_days.used_on = window_dates.used_on
    where window_dates.grid_date >= feature_days.known_from and window_dates.grid_date < feature_days.known_to
    group by window_dates.grid_date, feature_days.account_id, feature_days.feature
),

totals as (
    select
        grid_date,
        account_id,
        sum(quantity_28) as quantity_28,
        sum(quantity_prev_28) as quantity_prev_28
    from counted
    group by grid_date, account_id
),

persons as (
    select distinct
        window_dates.grid_date,
        usage_days.account_id,
        usage_days.contact_id
    from usage_days
    inner join window_dates on usage_days.used_on = window_dates.used_on
    where
        window_dates.is_recent
        and usage_days.contact_id is not null
        and usage_days.quantity > 0
        and window_dates.grid_date >= usage_days.known_from
        and window_dates.grid_date < usage_days.known_to
),

users as (
    select
        grid_date,
        account_id,
        cast(count(*) as integer) as users_28
    from persons
    group by grid_date, account_id
),

-- days of use by contract customers
use_days as (
    select
        feature_days.feature,
        feature_days.used_on,
        feature_days.known_from,
        feature_days.known_to,
        count(*) as use_days
    from feature_days
    inner join stretches  -- at most one
        on
            feature_days.account_id = stretches.account_id
            and feature_days.used_on >= stretches.from_date
            and feature_days.used_on < stretches.to_date
    where feature_days.quantity > 0
    group by feature_days.feature, feature_days.used_on, feature_days.known_from, feature_days.known_to
),

-- they are in the year before a date from the day after on
year_changes as (
    select
        feature,
        known_from as on_day,
        use_days
    from use_days
    union all
    select
        feature,
        least(known_to, {{ add_days('used_on', 366) }}) as on_day,
        -use_days as use_days
    from use_days
),

changes_by_day as (
    select
        feature,
        on_day,
        sum(use_days) as use_days
    from year_changes
    group by feature, on_day
),

change_days as (
    select distinct on_day from changes_by_day
),

-- the first date that sees a change
seen_on as (
    select
        change_days.on_day,
        min(dates.grid_date) as grid_date
    from change_days
    inner join dates on dates.grid_date >= change_days.on_day
    group by change_days.on_day
),

changes_by_date as (
    select
        changes_by_day.feature,
        seen_on.grid_date,
        sum(changes_by_day.use_days) as use_days
    from changes_by_day
    inner join seen_on on changes_by_day.on_day = seen_on.on_day
    group by changes_by_day.feature, seen_on.grid_date
),

known_features as (
    select distinct feature from changes_by_date
),

uses_in_year as (
    select
        known_features.feature,
        dates.grid_date,
        sum(coalesce(changes_by_date.use_days, 0)) over (
            partition by known_features.feature
            order by dates.grid_date
            rows between unbounded preceding and current row
        ) as use_days
    from known_features
    cross join dates
    left join changes_by_date  -- at most one
        on known_features.feature = changes_by_date.feature and dates.grid_date = changes_by_date.grid_date
),

ranked as (
    select
        grid_date,
        feature,
        row_number() over (partition by grid_date order by use_days desc, feature asc) as rank_by_use
    from uses_in_year
    -- 'all' is the name of the total
    where use_days > 0 and feature <> 'all'
),

most_used as (
    select
        grid_date,
        feature
    from ranked
    where rank_by_use <= {{ var('health_usage_features') }}
),

-- where use is recorded at all, who has used nothing has used 0
tracked as (
    select
        customers.grid_date,
        customers.account_id,
        coalesce(customers.grid_date >= usage_starts.contact_use_from, false) as has_contacts
    from customers
    inner join usage_starts  -- at most one
        on customers.business_model = usage_starts.business_model and customers.grid_date >= usage_starts.use_from
),

final as (
    select
        tracked.grid_date,
        tracked.account_id,
        'all' as feature,
        coalesce(cast(totals.quantity_28 as double), 0e0) as quantity_28,
        coalesce(cast(totals.quantity_prev_28 as double), 0e0) as quantity_prev_28,
        case
            when users.users_28 is not null then users.users_28
            -- used, but nobody says by whom
            when tracked.has_contacts and coalesce(totals.quantity_28, 0) = 0 then 0
        end as users_28
    from tracked
    left join totals  -- at most one
        on tracked.grid_date = totals.grid_date and tracked.account_id = totals.account_id
    left join users  -- at most one
        on tracked.grid_date = users.grid_date and tracked.account_id = users.account_id
    union all
    select
        tracked.grid_date,
        tracked.account_id,
        most_used.feature,
        coalesce(cast(counted.quantity_28 as double), 0e0) as quantity_28,
        coalesce(cast(counted.quantity_prev_28 as double), 0e0) as quantity_prev_28,
        cast(null as integer) as users_28
    from tracked
    inner join most_used on tracked.grid_date = most_used.grid_date
    left join counted  -- at most one
        on
            tracked.grid_date = counted.grid_date
            and tracked.account_id = counted.account_id
            and most_used.feature = counted.feature
)

select * from final
