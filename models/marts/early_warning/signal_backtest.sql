with

signals as (
    select * from {{ ref('signals') }}
),

states as (
    select * from {{ ref('int_signal_states') }}
    where has_data
),

customers as (
    select * from {{ ref('int_customer_dates') }}
    where is_month_start
),

labels as (
    select * from {{ ref('int_churn_labels') }}
),

episodes as (
    select * from {{ ref('int_signal_episodes') }}
),

-- what a signal said at the start of a month, and what became of the customer (null without contract)
seen as (
    select
        states.signal,
        states.account_id,
        states.grid_date,
        states.is_fired,
        customers.mrr,
        labels.state,
        labels.churned_on
    from states
    inner join customers  -- at most one
        on states.grid_date = customers.grid_date and states.account_id = customers.account_id
    left join labels  -- at most one
        on states.grid_date = labels.grid_date and states.account_id = labels.account_id
),

months as (
    select
        signal,
        cast(count(*) as bigint) as account_months,
        {{ count_where("state = 'left_in_lead'") }} as left_in_lead,
        {{ count_where("state = 'known_end'") }} as known_end,
        {{ count_where("state = 'open'") }} as still_open
    from seen
    group by signal
),

observed as (
    select
        *,
        state = 'churned' as has_churned
    from seen
    where state in ('churned', 'stayed')
),

by_account as (
    select
        signal,
        account_id,
        {{ count_where('has_churned and is_fired') }} as fired_churned,
        {{ count_where('is_fired') }} as fired,
        {{ count_where('has_churned') }} as churned,
        cast(count(*) as bigint) as observations,
        {{ sum_money('case when has_churned and is_fired then mrr end') }} as mrr_fired_churned,
        {{ sum_money('case when has_churned then mrr end') }} as mrr_churned
    from observed
    group by signal, account_id
),

totals as (
    select
        signal,
        cast(count(*) as bigint) as account_count,
        cast(sum(fired_churned) as bigint) as fired_churned,
        cast(sum(fired) as bigint) as fired,
        cast(sum(churned) as bigint) as churned,
        cast(sum(observations) as bigint) as observations,
        {{ sum_money('mrr_fired_churned') }} as mrr_fired_churned,
        {{ sum_money('mrr_churned') }} as mrr_churned
    from by_account
    group by signal
),

-- an account is observed many times: its observations are no independent ones
influences as (
    select
        by_account.signal,
        {{ lift_influence(
            'by_account.fired_churned', 'by_account.fired', 'by_account.churned', 'by_account.observations',
            ['totals.fired_churned', 'totals.fired', 'totals.churned', 'totals.observations']
        ) }} as influence
    from by_account
    inner join totals on by_account.signal = totals.signal  -- exactly one
),

squares as (
    select
        signal,
        sum(influence * influence) as sum_of_squares
    from influences
    group by signal
),

-- the first warning of a loss that began in the time in which one is asked for
warned as (
    select
        observed.signal,
        observed.account_id,
        observed.churned_on,
        {{ days_between('min(episodes.fired_from)', 'observed.churned_on') }} as lead_days
    from observed
    left join episodes
        on
            observed.signal = episodes.signal
            and observed.account_id = episodes.account_id
            and observed.churned_on > episodes.fired_from
            and observed.churned_on < {{ horizon_end('episodes.fired_from') }}
    where observed.has_churned
    group by observed.signal, observed.account_id, observed.churned_on
),

leads as (
    select
        signal,
        cast(count(*) as bigint) as churns,
        cast(count(lead_days) as bigint) as churns_warned,
        cast(median(lead_days) as double) as median_lead_days
    from warned
    group by signal
),

first_grid_dates as (
    select min(grid_date) as first_grid_date from customers
),

alerts as (
    select
        episodes.signal,
        cast(count(*) as bigint) as episodes
    from episodes
    inner join first_grid_dates on episodes.fired_from >= first_grid_dates.first_grid_date
    group by episodes.signal
),

joined as (
    select
        signals.signal,
        signals.requirement,
        signals.label,
        coalesce(totals.observations, 0) as observations,
        coalesce(totals.fired, 0) as fired,
        coalesce(totals.churned, 0) as churned,
        coalesce(totals.fired_churned, 0) as fired_churned,
        coalesce(totals.mrr_churned, 0) as mrr_churned,
        coalesce(totals.mrr_fired_churned, 0) as mrr_fired_churned,
        sqrt({{ clustered_variance('squares.sum_of_squares', 'totals.account_count') }}) as lift_error,
        coalesce(leads.churns, 0) as churns,
        coalesce(leads.churns_warned, 0) as churns_warned,
        leads.median_lead_days,
        coalesce(months.account_months, 0) as account_months,
        coalesce(alerts.episodes, 0) as episodes,
        coalesce(months.left_in_lead, 0) as left_in_lead,
        coalesce(months.known_end, 0) as known_end,
        coalesce(months.still_open, 0) as still_open
    from signals
    left join totals on signals.signal = totals.signal  -- at most one
    left join squares on signals.signal = squares.signal  -- at most one
    left join leads on signals.signal = leads.signal  -- at most one
    left join months on signals.signal = months.signal  -- at most one
    left join alerts on signals.signal = alerts.signal  -- at most one
),

rated as (
    select
        *,
        {{ ratio('churned', 'observations') }} as base_rate,
        {{ ratio('fired_churned', 'fired') }} as signal_precision,
        {{ wilson_low('fired_churned', 'fired') }} as precision_low,
        {{ wilson_high('fired_churned', 'fired') }} as precision_high,
        {{ lift('fired_churned', 'fired', 'churned', 'observations') }} as lift
    from joined
),

final as (
    select
        signal,
        requirement,
        label,
        observations,
        fired,
        churned,
        fired_churned,
        base_rate,
        {{ ratio('churned - fired_churned', '(observations - fired)') }} as churn_rate_not_fired,
        signal_precision as precision,
        precision_low,
        precision_high,
        {{ ratio('fired_churned', 'churned') }} as recall,
        lift,
        case when fired_churned = 0 then lift else lift * exp(-{{ z95() }} * lift_error) end as lift_low,
        -- without a hit there is no logarithm: as far as the precision may reach
        case
            when fired_churned > 0 then lift * exp({{ z95() }} * lift_error)
            when lift is not null then precision_high / base_rate
        end as lift_high,
        {{ ratio('mrr_fired_churned', 'mrr_churned') }} as revenue_weighted_recall,
        churns,
        churns_warned,
        median_lead_days,
        account_months,
        episodes,
        {{ ratio('episodes', 'account_months') }} as alerts_per_account_month,
        left_in_lead,
        known_end,
        still_open,
        {{ is_small_base('fired') }} as is_small_base
    from rated
)

select * from final
