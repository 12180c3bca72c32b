with

presence as (
    select
        account_id,
        first_paid_day
    from {{ ref('int_account_presence') }}
    group by account_id, first_paid_day
),

states as (
    select * from {{ ref('int_account_states') }}
),

purchases as (
    select * from {{ ref('int_customer_purchases') }}
    where is_without_contract
),

segments as (
    select * from {{ ref('int_account_segments') }}
),

members as (
    select
        'contract' as relationship,
        presence.account_id,
        presence.first_paid_day as first_day,
        states.mrr_at_first_rate as mrr_at_start
    from presence
    inner join states  -- exactly one
        on presence.account_id = states.account_id and presence.first_paid_day = states.state_on
    union all
    select
        'no_contract' as relationship,
        account_id,
        first_purchase_on as first_day,
        cast(null as decimal(38, 4)) as mrr_at_start
    from purchases
),

final as (
    select
        members.relationship,
        members.account_id,
        members.first_day,
        {%- for dimension in known_segment_dimensions() %}
        segments.{{ dimension }},
        {%- endfor %}
        members.mrr_at_start
    from members
    inner join segments  -- exactly one
        on members.account_id = segments.account_id and members.first_day = segments.segment_on
)

select * from final
