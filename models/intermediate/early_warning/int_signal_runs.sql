{{ by_account('int_touched_signals') }}

with

pieces as (
    select * from {{ touched_rows(ref('int_signal_pieces')) }}
),

signals as (
    select * from {{ ref('signals') }}
),

-- The day in a piece on which it comes to be fired, and whether the signal is over where the piece begins. Between the
-- two thresholds nothing changes. Where nothing is known, nothing is claimed.
judged as (
    select
        pieces.account_id,
        pieces.signal,
        pieces.relationship,
        pieces.customer_from,
        pieces.customer_to,
        pieces.piece_from,
        pieces.piece_to,
        signals.confirm_days,
        signals.hold_days,
        coalesce(pieces.value is null or not pieces.has_data, true) as is_unknown,
        case
            when signals.direction = 'above' then pieces.value < signals.clear_threshold
            else pieces.value > signals.clear_threshold
        end as is_over,
        case
            when pieces.value >= signals.lapses_at then null
            when signals.direction = 'above' and pieces.value >= signals.threshold then 0
            when signals.direction = 'below' and pieces.value <= signals.threshold then 0
            when signals.direction = 'above' and pieces.value_per_day > 0 then ceil(signals.threshold - pieces.value)
            when signals.direction = 'below' and pieces.value_per_day < 0 then ceil(pieces.value - signals.threshold)
        end as days_to_fire,
        -- what has been so for too long says nothing any more
        coalesce(pieces.value >= signals.lapses_at, false) as has_lapsed,
        case
            when pieces.value < signals.lapses_at and pieces.value_per_day > 0
                then ceil(signals.lapses_at - pieces.value)
        end as days_to_lapse
    from pieces
    inner join signals on pieces.signal = signals.signal  -- at most one
),

events as (
    select
        account_id,
        signal,
        relationship,
        customer_from,
        customer_to,
        {{ add_days('piece_from', 'days_to_fire') }} as event_on,
        'fires' as kind,
        confirm_days as days_to_wait
    from judged
    where not is_unknown and {{ add_days('piece_from', 'days_to_fire') }} < piece_to
    union all
    select
        account_id,
        signal,
        relationship,
        customer_from,
        customer_to,
        piece_from as event_on,
        case when is_unknown or is_over or has_lapsed then 'over' else 'between' end as kind,
        case when is_unknown or has_lapsed then 0 else hold_days end as days_to_wait
    from judged
    where is_unknown or days_to_fire is null or days_to_fire > 0
    union all
    select
        account_id,
        signal,
        relationship,
        customer_from,
        customer_to,
        {{ add_days('piece_from', 'days_to_lapse') }} as event_on,
        'over' as kind,
        0 as days_to_wait
    from judged
    where not is_unknown and {{ add_days('piece_from', 'days_to_lapse') }} < piece_to
),

foreseen as (
    select
        *,
        min(case when kind = 'fires' then event_on end) over (
            partition by account_id, customer_from, signal
            order by event_on
            rows between 1 following and unbounded following
        ) as fires_next_on,
        min(case when kind <> 'fires' then event_on end) over (
            partition by account_id, customer_from, signal
            order by event_on
            rows between 1 following and unbounded following
        ) as quiet_next_on,
        {{ add_days('event_on', 'days_to_wait') }} as effective_on
    from events
),

-- It is fired when the value has stayed at the threshold for confirm_days, and over when it has been so for hold_days;
-- what does not last that long has never been.
standing as (
    select
        account_id,
        signal,
        relationship,
        customer_from,
        customer_to,
        kind = 'fires' as is_fired,
        effective_on as event_on
    from foreseen
    where
        (kind = 'fires' and (quiet_next_on is null or quiet_next_on > effective_on))
        or (kind = 'over' and (fires_next_on is null or fires_next_on > effective_on))
),

-- looked at on grid days: of what happened since the last one, the latest counts
on_grid as (
    select
        *,
        {{ grid_day('event_on') }} as grid_on
    from standing
    where event_on < customer_to
),

latest as (
    select
        *,
        row_number() over (
            partition by account_id, customer_from, signal, grid_on order by event_on desc, is_fired desc
        ) as recency
    from on_grid
),

changed as (
    select
        *,
        coalesce(
            lag(is_fired) over (partition by account_id, customer_from, signal order by grid_on), false
        ) as was_fired
    from latest
    where recency = 1 and grid_on < customer_to
),

turns as (
    select
        *,
        lead(grid_on) over (partition by account_id, customer_from, signal order by grid_on) as next_turn_on
    from changed
    where is_fired <> was_fired
),

final as (
    select
        account_id,
        signal,
        relationship,
        customer_to,
        grid_on as fired_from,
        next_turn_on as over_from
    from turns
    where is_fired
)

select * from final
