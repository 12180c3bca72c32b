with

customers as (
    select * from {{ ref('int_customer_dates') }}
),

signals as (
    select signal from {{ ref('signals') }}
),

pieces as (
    select * from {{ ref('int_signal_pieces') }}
),

episodes as (
    select * from {{ ref('int_signal_episodes') }}
),

asked as (
    select
        customers.grid_date,
        customers.account_id,
        signals.signal
    from customers
    cross join signals
),

measured as (
    select
        asked.grid_date,
        asked.account_id,
        asked.signal,
        coalesce(pieces.has_data, false) as has_data,
        {{ value_on('pieces', 'asked.grid_date') }} as value,
        pieces.baseline,
        pieces.evidence
    from asked
    left join pieces  -- at most one
        on
            asked.account_id = pieces.account_id
            and asked.signal = pieces.signal
            and asked.grid_date >= pieces.piece_from
            and asked.grid_date < pieces.piece_to
),

final as (
    select
        measured.grid_date,
        measured.account_id,
        measured.signal,
        measured.has_data,
        measured.value,
        measured.baseline,
        episodes.episode_id is not null as is_fired,
        episodes.fired_from as fired_since,
        episodes.episode_id,
        case when episodes.episode_id is not null then measured.evidence end as evidence
    from measured
    left join episodes  -- at most one
        on
            measured.account_id = episodes.account_id
            and measured.signal = episodes.signal
            and measured.grid_date >= episodes.fired_from
            and measured.grid_date < episodes.fired_to
)

select * from final
