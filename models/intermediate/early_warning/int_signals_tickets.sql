{{ by_account('int_touched_signals') }}

with

tickets as (
    {{ known_rows('support_tickets') }}
),

stretches as (
    select * from {{ touched_rows(ref('int_customer_stretches')) }}
),

spike as (
    select
        window_days,
        baseline_days,
        coalesce(minimum_baseline, 0) as minimum_baseline
    from {{ ref('signals') }}
    where signal = 'ticket_spike'
),

stopped as (
    select
        baseline_days,
        coalesce(minimum_baseline, 0) as minimum_baseline
    from {{ ref('signals') }}
    where signal = 'tickets_stopped'
),

numbers as (
    select numbers.i
    from ({{ number_spine() }}) as numbers
    cross join spike
    where numbers.i < spike.baseline_days
),

opened as (
    select
        account_id,
        ticket_id,
        known_from,
        known_to,
        {{ local_day('opened_at') }} as opened_on
    from tickets
),

-- the days that see a ticket
seen as (
    select
        account_id,
        ticket_id,
        opened_on,
        known_to,
        greatest(known_from, {{ add_days('opened_on', 1) }}) as seen_from
    from opened
    where greatest(known_from, {{ add_days('opened_on', 1) }}) < known_to
),

-- from here on who has no ticket is known to have none; without any ticket there is no such day, and nothing below
base as (
    {% if is_increment() -%}
    {{ activity_starts('tickets') }}
    {%- else -%}
    select min(seen_from) as base_from
    from seen
    having min(seen_from) is not null
    {%- endif %}
),

customers as (
    select
        stretches.account_id,
        base.base_from
    from stretches
    cross join base
    group by stretches.account_id, base.base_from
),

-- A ticket is in the window from the day that sees it until it has left it; then it is what is usual, for as long as
-- the baseline reaches and the stretch lasts in which it was opened.
in_window as (
    select
        seen.account_id,
        seen.ticket_id,
        seen.seen_from as from_day,
        least(seen.known_to, {{ add_days('seen.opened_on', '1 + spike.window_days') }}) as to_day
    from seen
    cross join spike
    where seen.seen_from < {{ add_days('seen.opened_on', '1 + spike.window_days') }}
),

in_baseline as (
    select
        seen.account_id,
        greatest(seen.seen_from, {{ add_days('seen.opened_on', '1 + spike.window_days') }}) as from_day,
        least(
            seen.known_to,
            stretches.to_date,
            {{ add_days('seen.opened_on', '1 + spike.window_days + spike.baseline_days') }}
        ) as to_day
    from seen
    cross join spike
    inner join stretches  -- at most one: they are disjoint
        on
            seen.account_id = stretches.account_id
            and seen.opened_on >= stretches.from_date
            and seen.opened_on < stretches.to_date
),

-- days on which a count changes, or how it is compared: a stretch begins, has a usual number, has its whole baseline
changes as (
    select
        account_id,
        from_day as change_day,
        1 as in_window,
        0 as in_baseline,
        cast(null as date) as stretch_from
    from in_window
    union all
    select
        account_id,
        to_day as change_day,
        -1 as in_window,
        0 as in_baseline,
        cast(null as date) as stretch_from
    from in_window
    union all
    select
        account_id,
        from_day as change_day,
        0 as in_window,
        1 as in_baseline,
        cast(null as date) as stretch_from
    from in_baseline
    where from_day < to_day
    union all
    select
        account_id,
        to_day as change_day,
        0 as in_window,
        -1 as in_baseline,
        cast(null as date) as stretch_from
    from in_baseline
    where from_day < to_day
    union all
    select
        account_id,
        base_from as change_day,
        0 as in_window,
        0 as in_baseline,
        cast(null as date) as stretch_from
    from customers
    union all
    select
        account_id,
        from_date as change_day,
        0 as in_window,
        0 as in_baseline,
        from_date as stretch_from
    from stretches
    union all
    select
        stretches.account_id,
        {{ add_days('stretches.from_date', '2 * spike.window_days') }} as change_day,
        0 as in_window,
        0 as in_baseline,
        cast(null as date) as stretch_from
    from stretches
    cross join spike
    union all
    select
        stretches.account_id,
        {{ add_days('stretches.from_date', 'spike.window_days + spike.baseline_days') }} as change_day,
        0 as in_window,
        0 as in_baseline,
        cast(null as date) as stretch_from
    from stretches
    cross join spike
),

change_days as (
    select
        account_id,
        change_day,
        sum(in_window) as in_window,
        sum(in_baseline) as in_baseline,
        max(stretch_from) as stretch_from
    from changes
    group by account_id, change_day
),

counted as (
    select
        account_id,
        change_day,
        lead(change_day) over (partition by account_id order by change_day) as next_day,
        cast(sum(in_window) over (
            partition by account_id
            order by change_day
            rows between unbounded preceding and current row
        ) as bigint) as window_tickets,
        cast(sum(in_baseline) over (
            partition by account_id
            order by change_day
            rows between unbounded preceding and current row
        ) as bigint) as baseline_tickets,
        max(stretch_from) over (
            partition by account_id
            order by change_day
            rows between unbounded preceding and current row
        ) as stretch_from
    from change_days
),

aged as (
    select
        counted.account_id,
        counted.change_day,
        counted.next_day,
        counted.window_tickets,
        counted.baseline_tickets,
        {{ days_between('counted.stretch_from', 'counted.change_day') }} as tenure_days,
        spike.window_days,
        spike.baseline_days,
        spike.minimum_baseline
    from counted
    inner join customers on counted.account_id = customers.account_id  -- exactly one
    cross join spike
    where counted.change_day >= customers.base_from
),

-- Days that the baseline reaches back over: all of them, those there were, or too few to say what is usual (0).
reaching as (
    select
        account_id,
        change_day,
        next_day,
        window_tickets,
        baseline_tickets,
        window_days,
        minimum_baseline,
        case
            when tenure_days >= window_days + baseline_days then baseline_days
            when tenure_days >= 2 * window_days then tenure_days - window_days
            else 0
        end as reach,
        coalesce(tenure_days >= 2 * window_days and tenure_days < window_days + baseline_days, false) as is_growing
    from aged
),

-- While the baseline grows with the customer, what is usual falls from day to day, until it reaches the minimum.
compared as (
    select
        account_id,
        change_day as valid_from,
        window_tickets,
        baseline_tickets,
        window_days,
        minimum_baseline,
        reach
    from reaching
    union all
    select
        reaching.account_id,
        {{ add_days('reaching.change_day', 'numbers.i') }} as valid_from,
        reaching.window_tickets,
        reaching.baseline_tickets,
        reaching.window_days,
        reaching.minimum_baseline,
        reaching.reach + numbers.i as reach
    from reaching
    inner join numbers
        on
            numbers.i >= 1
            and {{ add_days('reaching.change_day', 'numbers.i') }} < reaching.next_day
            and reaching.baseline_tickets * reaching.window_days
            > reaching.minimum_baseline * (reaching.reach + numbers.i - 1)
    where reaching.is_growing and reaching.baseline_tickets > 0
),

-- one division of whole numbers, so that three times is three times
valued as (
    select
        account_id,
        valid_from,
        case
            when reach > 0 and baseline_tickets * window_days > minimum_baseline * reach
                then cast(window_tickets * reach as double) / cast(baseline_tickets * window_days as double)
            when minimum_baseline > 0 then cast(window_tickets as double) / cast(minimum_baseline as double)
        end as value,
        case
            when reach > 0 and baseline_tickets * window_days > minimum_baseline * reach
                then cast(baseline_tickets * window_days as double) / cast(reach as double)
            else cast(minimum_baseline as double)
        end as baseline
    from compared
),

-- named where there are as many as usual or more
spike_tickets as (
    select
        valued.account_id,
        valued.valid_from,
        {{ evidence_of('support_tickets', 'in_window.ticket_id') }} as evidence
    from valued
    inner join in_window
        on
            valued.account_id = in_window.account_id
            and valued.valid_from >= in_window.from_day
            and valued.valid_from < in_window.to_day
    where valued.value >= 1
    group by valued.account_id, valued.valid_from
),

spikes as (
    select
        valued.account_id,
        'ticket_spike' as signal,
        valued.valid_from,
        valued.value,
        cast(null as date) as silent_since,
        valued.baseline,
        spike_tickets.evidence
    from valued
    left join spike_tickets  -- at most one
        on valued.account_id = spike_tickets.account_id and valued.valid_from = spike_tickets.valid_from
),

-- the days on which the last ticket, or how many came before it, may change
looks as (
    select
        account_id,
        seen_from as look_day
    from seen
    union
    select
        account_id,
        known_to as look_day
    from seen
    where known_to < {{ open_end() }}
),

ticket_days as (
    select
        account_id,
        opened_on,
        seen_from,
        known_to
    from seen
    group by account_id, opened_on, seen_from, known_to
),

last_tickets as (
    select
        looks.account_id,
        looks.look_day,
        max(ticket_days.opened_on) as last_on
    from looks
    inner join customers on looks.account_id = customers.account_id  -- exactly one
    inner join ticket_days
        on
            looks.account_id = ticket_days.account_id
            and looks.look_day >= ticket_days.seen_from
            and looks.look_day < ticket_days.known_to
    group by looks.account_id, looks.look_day
),

before_silence as (
    select
        last_tickets.account_id,
        last_tickets.look_day,
        last_tickets.last_on,
        count(*) as tickets,
        {{ evidence_of(
            'support_tickets', 'case when seen.opened_on = last_tickets.last_on then seen.ticket_id end'
        ) }} as evidence
    from last_tickets
    cross join stopped
    inner join seen
        on
            last_tickets.account_id = seen.account_id
            and last_tickets.look_day >= seen.seen_from
            and last_tickets.look_day < seen.known_to
            and seen.opened_on > {{ add_days('last_tickets.last_on', '-stopped.baseline_days') }}
    group by last_tickets.account_id, last_tickets.look_day, last_tickets.last_on
),

all_looks as (
    select
        looks.account_id,
        looks.look_day
    from looks
    inner join customers on looks.account_id = customers.account_id  -- exactly one
    union
    select
        account_id,
        base_from as look_day
    from customers
),

silences as (
    select
        all_looks.account_id,
        'tickets_stopped' as signal,
        all_looks.look_day as valid_from,
        cast(null as double) as value,
        case when before_silence.tickets >= stopped.minimum_baseline then before_silence.last_on end as silent_since,
        cast(before_silence.tickets as double) as baseline,
        case when before_silence.tickets >= stopped.minimum_baseline then before_silence.evidence end as evidence
    from all_looks
    cross join stopped
    left join before_silence  -- at most one
        on all_looks.account_id = before_silence.account_id and all_looks.look_day = before_silence.look_day
),

pieces as (
    select * from spikes
    union all
    select * from silences
),

followed as (
    select
        *,
        lag(valid_from) over (partition by account_id, signal order by valid_from) as previous_from,
        lag(value) over (partition by account_id, signal order by valid_from) as previous_value,
        lag(silent_since) over (partition by account_id, signal order by valid_from) as previous_silent_since,
        lag(baseline) over (partition by account_id, signal order by valid_from) as previous_baseline,
        lag(evidence) over (partition by account_id, signal order by valid_from) as previous_evidence
    from pieces
),

-- what says the same as the one before it is no piece of its own
final as (
    select
        account_id,
        signal,
        valid_from,
        case
            when silent_since is null then value
            else cast({{ days_between('silent_since', 'valid_from') }} - 1 as double)
        end as value,
        case when silent_since is null then 0 else 1 end as value_per_day,
        baseline,
        true as has_data,
        evidence
    from followed
    where
        previous_from is null
        or value is distinct from previous_value
        or silent_since is distinct from previous_silent_since
        or baseline is distinct from previous_baseline
        or evidence is distinct from previous_evidence
)

select * from final
