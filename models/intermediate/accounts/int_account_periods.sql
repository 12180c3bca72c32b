with

presence as (
    select * from {{ ref('int_account_presence') }}
),

line_changes as (
    select * from {{ ref('int_account_line_changes') }}
),

states as (
    select * from {{ ref('int_account_states') }}
),

segments as (
    select * from {{ ref('int_account_segments') }}
),

amounts as (
    select
        period_grain,
        period_start,
        account_id,
        {{ sum_money('mrr_start') }} as mrr_start,
        {{ sum_money('mrr_end') }} as mrr_end,
        {{ sum_money('mrr_commercial_change') }} as mrr_commercial_change,
        {{ sum_money('mrr_fx_change') }} as mrr_fx_change,
        {{ sum_money('mrr_end_at_start_rate') }} as mrr_end_at_start_rate
    from line_changes
    group by period_grain, period_start, account_id
),

joined as (
    select
        presence.*,
        coalesce(amounts.mrr_start, 0) as mrr_start,
        coalesce(amounts.mrr_end, 0) as mrr_end,
        coalesce(amounts.mrr_commercial_change, 0) as mrr_commercial_change,
        coalesce(amounts.mrr_fx_change, 0) as mrr_fx_change,
        coalesce(amounts.mrr_end_at_start_rate, 0) as mrr_end_at_start_rate
    from presence
    left join amounts  -- at most one
        on
            presence.period_grain = amounts.period_grain
            and presence.period_start = amounts.period_start
            and presence.account_id = amounts.account_id
),

labelled as (
    select
        *,
        {{ movement_label('is_active_start', 'is_active_end', 'was_active_before', 'mrr_commercial_change') }}
            as movement,
        -- what retention rates are made of, all at the start rate and of accounts active at the start
        case when is_active_start and not is_active_end then mrr_start else 0 end as mrr_churned,
        case when is_active_start and is_active_end then greatest(mrr_start - mrr_end_at_start_rate, 0) else 0 end
            as mrr_contracted,
        case when is_active_start and is_active_end then greatest(mrr_end_at_start_rate - mrr_start, 0) else 0 end
            as mrr_expanded
    from joined
),

final as (
    select
        labelled.account_id,
        labelled.period_grain,
        labelled.period_start,
        labelled.period_end,
        labelled.is_complete,
        labelled.first_paid_day,
        labelled.segment_on,
        labelled.is_active_start,
        labelled.is_active_end,
        cast(labelled.mrr_start as decimal(38, 4)) as mrr_start,
        cast(labelled.mrr_end as decimal(38, 4)) as mrr_end,
        labelled.movement,
        cast(labelled.mrr_commercial_change as decimal(38, 4)) as mrr_commercial_change,
        cast(labelled.mrr_fx_change as decimal(38, 4)) as mrr_fx_change,
        cast(labelled.mrr_churned as decimal(38, 4)) as mrr_churned,
        cast(labelled.mrr_contracted as decimal(38, 4)) as mrr_contracted,
        cast(labelled.mrr_expanded as decimal(38, 4)) as mrr_expanded,
        coalesce(states_end.mrr_at_first_rate, 0) as mrr_end_at_first_rate,
        labelled.tenure_months,
        labelled.joined_and_left,
        labelled.left_and_returned,
        {%- for dimension in known_segment_dimensions() %}
        segments.{{ dimension }},
        {%- endfor %}
        states_start.currency as currency_start,
        states_start.mrr_original as mrr_start_original,
        states_end.currency as currency_end,
        states_end.mrr_original as mrr_end_original
    from labelled
    inner join segments  -- exactly one
        on labelled.account_id = segments.account_id and labelled.segment_on = segments.segment_on
    left join states as states_start  -- at most one
        on labelled.account_id = states_start.account_id and labelled.period_start = states_start.state_on
    left join states as states_end  -- at most one
        on labelled.account_id = states_end.account_id and labelled.period_end = states_end.state_on
)

select * from final
