{{ by_account('int_touched_signals') }}

with

{% for family in signal_families() -%}
{{ family }} as (
    select * from {{ touched_rows(ref('int_signals_' ~ family)) }}
),

{% endfor -%}
stretches as (
    select * from {{ touched_rows(ref('int_customer_stretches')) }}
),

measured as (
    {%- for family in signal_families() %}
    select
        account_id,
        signal,
        valid_from,
        value,
        value_per_day,
        baseline,
        has_data,
        evidence
    from {{ family }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

followed as (
    select
        *,
        coalesce(
            lead(valid_from) over (partition by account_id, signal order by valid_from), {{ open_end() }}
        ) as valid_to
    from measured
),

-- nobody warns of who is not a customer
clipped as (
    select
        followed.account_id,
        followed.signal,
        stretches.relationship,
        stretches.from_date as customer_from,
        stretches.to_date as customer_to,
        greatest(followed.valid_from, stretches.from_date) as piece_from,
        least(followed.valid_to, stretches.to_date) as piece_to,
        followed.valid_from,
        followed.value,
        followed.value_per_day,
        followed.baseline,
        followed.has_data,
        followed.evidence
    from followed
    inner join stretches
        on
            followed.account_id = stretches.account_id
            and followed.valid_from < stretches.to_date
            and followed.valid_to > stretches.from_date
    -- purchases are waited for without a contract; before one there is nothing to cancel or to be introduced to
    where
        (stretches.relationship = 'contract' and followed.signal <> 'no_purchase')
        or (
            stretches.relationship = 'no_contract'
            and followed.signal not in ('cancelled_running', 'onboarding_incomplete')
        )
),

final as (
    select
        account_id,
        signal,
        relationship,
        customer_from,
        customer_to,
        piece_from,
        piece_to,
        value + value_per_day * {{ days_between('valid_from', 'piece_from') }} as value,
        value_per_day,
        baseline,
        has_data,
        evidence
    from clipped
)

select * from final
