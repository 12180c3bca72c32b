with

segments as (
    select * from {{ ref('int_account_segments') }}
),

states as (
    select
        account_id,
        state_on
    from {{ ref('int_account_states') }}
),

purchases as (
    select * from {{ ref('int_customer_purchases') }}
    where is_without_contract
),

-- on a day without a subscription the plan would be unknown: the last day with one counts
last_states as (
    select
        states.account_id,
        max(states.state_on) as seen_on
    from states
    inner join segments  -- at most one
        on states.account_id = segments.account_id and states.state_on = segments.segment_on
    where states.state_on <= {{ as_of_date() }}
    group by states.account_id
),

seen as (
    select
        account_id,
        'contract' as relationship,
        seen_on
    from last_states
    union all
    select
        account_id,
        'no_contract' as relationship,
        first_purchase_on as seen_on
    from purchases
),

final as (
    select
        seen.account_id,
        seen.relationship,
        {%- for dimension in known_segment_dimensions() %}
        segments.{{ dimension }},
        {%- endfor %}
        seen.seen_on
    from seen
    inner join segments  -- exactly one
        on seen.account_id = segments.account_id and seen.seen_on = segments.segment_on
)

select * from final
