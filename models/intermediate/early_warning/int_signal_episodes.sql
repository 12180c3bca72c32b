with

pieces as (
    select * from {{ ref('int_signal_pieces') }}
),

signals as (
    select * from {{ ref('signals') }}
),

-- The day in a piece on which it comes to be fired, and whether the signal is over where the piece begins. Between the two
-- thresholds nothing changes. Where nothing is known, nothing is claimed.
judged as (
    select
        pieces.account_id,
        pieces.signal,
        pieces.relationship,
        pieces.customer_from,
        pieces.customer_to,
        pieces.piece_from,
        pieces.piece_to,
        signals.hold_days,
        coalesce(pieces.value is null or not pieces.has_data, true) as is_unknown,
        case
            when signals.direction = 'above' then pieces.value < signals.clear_threshold
            else pieces.value > signals.clear_threshold
        end as is_over,
        case
            when signals.direction = 'above' and pieces.value >= signals.threshold then 0
            when signals.direction = 'below' and pieces.value <= signals.threshold then 0
            when signals.direction = 'above' and pieces.value_per_day > 0 then ceil(signals.threshold - pieces.value)
            when signals.direction = 'below' and pieces.value_per_day < 0 then ceil(pieces.value - signals.threshold)
        end as days_to_fire
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
        true as is_fired,
        0 as hold_days
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
        false as is_fired,
        case when is_unknown then 0 else hold_days end as hold_days
    from judged
    where is_unknown or is_over
),

foreseen as (
    select
        *,
        min(case when is_fired then event_on end) over (
            partition by account_id, customer_from, signal
            order by event_on
            rows between 1 following and unbounded following
        ) as fired_again_on
    from events
),

-- it is over when it has been so for hold_days; fired again by then, it has never been
standing as (
    select
        account_id,
        signal,
        relationship,
        customer_from,
        customer_to,
        is_fired,
        {{ add_days('event_on', 'hold_days') }} as event_on
    from foreseen
    where is_fired or fired_again_on is null or fired_again_on > {{ add_days('event_on', 'hold_days') }}
),

-- looked at on grid days: of what happened since the last one, the latest counts
on_grid as (
    select
        *,
        {{ grid_day('event_on') }} as grid_on
    from standing
    where event_on <= {{ as_of_date() }} and event_on < customer_to
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
    where recency = 1 and grid_on <= {{ as_of_date() }} and grid_on < customer_to
),

turns as (
    select
        *,
        lead(grid_on) over (partition by account_id, customer_from, signal order by grid_on) as next_turn_on
    from changed
    where is_fired <> was_fired
),

bounded as (
    select
        account_id,
        signal,
        relationship,
        grid_on as fired_from,
        case
            when next_turn_on is not null then next_turn_on
            when customer_to <= {{ as_of_date() }} then customer_to
            else {{ open_end() }}
        end as fired_to,
        case
            when next_turn_on is not null then 'cleared'
            when customer_to <= {{ as_of_date() }} then 'left'
            else 'running'
        end as end_cause
    from turns
    where is_fired
),

final as (
    select
        {{ dbt.hash("concat(account_id, '|', signal, '|', cast(fired_from as string))") }} as episode_id,
        account_id,
        signal,
        relationship,
        fired_from,
        fired_to,
        end_cause
    from bounded
)

select * from final
