with

account_periods as (
    select * from {{ ref('int_account_periods') }}
    where period_grain = 'month'
),

final as (
    select
        account_id,
        period_start as month_start,
        is_complete,
        movement,
        is_active_start,
        is_active_end,
        mrr_start,
        mrr_end,
        mrr_commercial_change,
        mrr_fx_change,
        mrr_churned,
        mrr_contracted,
        mrr_expanded,
        tenure_months,
        cast(case when joined_and_left then 1 else 0 end as integer) as joined_and_left,
        cast(case when left_and_returned then 1 else 0 end as integer) as left_and_returned,
        {%- for dimension in known_segment_dimensions() %}
        {{ dimension }},
        {%- endfor %}
        currency_start,
        mrr_start_original,
        currency_end,
        mrr_end_original
    from account_periods
)

select * from final
