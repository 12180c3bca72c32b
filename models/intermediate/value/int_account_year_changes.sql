{%- set year_ago = add_months(as_of_date(), -12) -%}
with

states as (
    select
        subscription_states.*,
        state_on < {{ as_of_date() }} as is_then
    from {{ ref('int_subscription_states') }} as subscription_states
    where state_on in ({{ as_of_date() }}, {{ year_ago }})
),

by_subscription as (
    select
        account_id,
        currency,
        subscription_id,
        max(case when is_then then mrr_original end) as original_then,
        max(case when is_then then mrr end) as mrr_then,
        max(case when is_then then fx_rate end) as rate_then,
        max(case when not is_then then mrr_original end) as original_now,
        max(case when not is_then then mrr end) as mrr_now,
        bool_or(is_then) and bool_or(not is_then) as is_kept
    from states
    group by account_id, currency, subscription_id
),

-- lines as in int_account_line_changes: what ended and what began in a currency is one line
lines as (
    select
        account_id,
        currency,
        {{ sum_money('original_then') }} as original_then,
        {{ sum_money('mrr_then') }} as mrr_then,
        max(case when is_kept then rate_then end) as rate_then,
        {{ sum_money('original_now') }} as original_now,
        {{ sum_money('mrr_now') }} as mrr_now,
        max(case when original_then is not null then 1 else 0 end) = 1 as is_active_then,
        max(case when original_now is not null then 1 else 0 end) = 1 as is_active_now
    from by_subscription
    group by account_id, currency, case when is_kept then subscription_id end
),

-- the amount now at the rate of then
converted as (
    select
        *,
        case
            when original_then = 0 or currency = '{{ var("reporting_currency") }}' then mrr_now
            when rate_then is not null then {{ convert_money('original_now', 'rate_then') }}
            else {{ scale_money('original_now', 'mrr_then', 'original_then') }}
        end as mrr_now_at_rate_then
    from lines
),

final as (
    select
        account_id,
        bool_or(is_active_then) as is_active_then,
        bool_or(is_active_now) as is_active_now,
        {{ sum_money('mrr_then') }} as mrr_then,
        {{ sum_money('mrr_now') }} as mrr_now,
        {{ sum_money('mrr_now_at_rate_then') }} as mrr_now_at_rate_then
    from converted
    group by account_id
)

select * from final
