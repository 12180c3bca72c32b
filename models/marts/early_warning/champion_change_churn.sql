{%- set window_months = var('champion_window_months') -%}
with

departures as (
    select * from {{ ref('int_champion_departures') }}
),

known_spells as (
    select * from {{ ref('int_known_spells') }}
),

dates as (
    select * from {{ ref('int_signal_dates') }}
),

contacts as (
    {{ known_rows('contacts') }}
),

contact_roles as (
    {{ known_rows('contact_roles') }}
),

benchmarks as (
    select * from {{ ref('benchmarks') }}
    where metric = 'customer_churn_rate' and segment_dimension = 'decision_maker' and is_shown
),

-- what became of customers is judged by what is known today
spells as (
    select
        account_id,
        spell_start,
        spell_end
    from known_spells
    where known_to = {{ open_end() }}
),

ends as (
    select
        account_id,
        spell_end as churned_on,
        case
            when spell_end = {{ period_start_of('month', 'spell_end') }} then spell_end
            else {{ add_months(period_start_of('month', 'spell_end'), 1) }}
        end as month_end
    from spells
    where spell_end <= {{ as_of_date() }}
),

-- who is back by the start of the next month has not been lost
churns as (
    select
        ends.account_id,
        ends.churned_on,
        ends.month_end
    from ends
    left join spells
        on
            ends.account_id = spells.account_id
            and ends.month_end >= spells.spell_start
            and ends.month_end < spells.spell_end
    where spells.account_id is null
),

-- of customers, by contacts.left_at; a role that was handed over is no departure here
windows as (
    select
        departures.account_id,
        departures.contact_id,
        departures.left_on,
        {{ add_months('departures.left_on', window_months) }} as window_end
    from departures
    inner join spells  -- at most one: the one he left in
        on
            departures.account_id = spells.account_id
            and departures.left_on >= spells.spell_start
            and departures.left_on < spells.spell_end
    where
        departures.departure = 'left'
        and departures.known_to = {{ open_end() }}
        and departures.seen_from <= {{ as_of_date() }}
),

followed as (
    select
        windows.account_id,
        windows.contact_id,
        windows.left_on,
        max(churns.churned_on) as churned_on
    from windows
    left join churns
        on
            windows.account_id = churns.account_id
            and churns.churned_on > windows.left_on
            and churns.churned_on <= windows.window_end
    where windows.window_end <= {{ as_of_date() }}
    group by windows.account_id, windows.contact_id, windows.left_on
),

-- whose champion could leave: before there is one on record, nobody can be said to have stayed
first_champions as (
    select
        contacts.account_id,
        min(contact_roles.valid_from) as champion_from
    from contact_roles
    inner join contacts on contact_roles.contact_id = contacts.contact_id and contacts.known_to = {{ open_end() }}
    where contact_roles.role in ('champion', 'decision_maker') and contact_roles.known_to = {{ open_end() }}
    group by contacts.account_id
),

months as (
    select
        spells.account_id,
        dates.grid_date as month_start,
        {{ add_months('dates.grid_date', 1) }} as month_end
    from dates
    inner join spells on dates.grid_date >= spells.spell_start and dates.grid_date < spells.spell_end
    inner join first_champions
        on spells.account_id = first_champions.account_id and dates.grid_date >= first_champions.champion_from
    where dates.is_month_start and {{ add_months('dates.grid_date', 1) }} <= {{ as_of_date() }}
),

month_churns as (
    select
        account_id,
        month_end,
        max(churned_on) as churned_on
    from churns
    group by account_id, month_end
),

-- a month belongs to a departure when the day that decides it does: that of the loss, else its end
decided as (
    select
        months.account_id,
        months.month_start,
        month_churns.churned_on,
        coalesce(month_churns.churned_on, months.month_end) as decided_on
    from months
    left join month_churns  -- at most one
        on months.account_id = month_churns.account_id and months.month_end = month_churns.month_end
),

attributed as (
    select
        decided.account_id,
        decided.month_start
    from decided
    inner join windows
        on
            decided.account_id = windows.account_id
            and decided.decided_on > windows.left_on
            and decided.decided_on <= windows.window_end
    group by decided.account_id, decided.month_start
),

counted as (
    select
        'left' as champion,
        cast(count(*) as bigint) as departures,
        cast(null as bigint) as account_months,
        cast(count(churned_on) as bigint) as churned
    from followed
    union all
    select
        'stayed' as champion,
        cast(null as bigint) as departures,
        cast(count(*) as bigint) as account_months,
        cast(count(decided.churned_on) as bigint) as churned
    from decided
    left join attributed  -- at most one
        on decided.account_id = attributed.account_id and decided.month_start = attributed.month_start
    where attributed.account_id is null
),

-- losses per departure are of a window already, losses per month are compounded to one
rated as (
    select
        *,
        case when champion = 'left' then {{ window_months }} else 1 end as base_months,
        {{ ratio('churned', 'coalesce(departures, account_months)') }} as base_rate,
        {{ wilson_low('churned', 'coalesce(departures, account_months)') }} as base_low,
        {{ wilson_high('churned', 'coalesce(departures, account_months)') }} as base_high
    from counted
),

benchmarked as (
    select
        rated.*,
        benchmarks.rate as benchmark_rate_published,
        benchmarks.period as benchmark_period,
        case when benchmarks.period = 'unstated' then '{{ var("benchmark_assumed_period") }}' else benchmarks.period end
            as benchmark_period_used,
        benchmarks.source as benchmark_source
    from rated
    left join benchmarks on rated.champion = benchmarks.segment_value  -- at most one
),

final as (
    select
        champion,
        cast({{ window_months }} as integer) as window_months,
        departures,
        account_months,
        churned,
        {{ convert_rate('base_rate', 'base_months', window_months) }} as churn_rate,
        {{ convert_rate('base_low', 'base_months', window_months) }} as ci_low,
        {{ convert_rate('base_high', 'base_months', window_months) }} as ci_high,
        {{ is_small_base('coalesce(departures, account_months)') }} as is_small_base,
        {{ convert_rate('benchmark_rate_published', months_of_grain('benchmark_period_used'), window_months) }}
            as benchmark_rate,
        benchmark_rate_published,
        benchmark_period,
        benchmark_period_used,
        benchmark_source
    from benchmarked
)

select * from final
