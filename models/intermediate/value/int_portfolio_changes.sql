{%- set year_ago = add_months(as_of_date(), -12) -%}
with

latest_segments as (
    select * from {{ ref('int_account_latest_segments') }}
),

segments as (
    select
        account_id,
        segment_on,
        account_manager
    from {{ ref('int_account_segments') }}
),

purchases as (
    select * from {{ ref('int_customer_purchases') }}
    where is_without_contract
),

year_changes as (
    select * from {{ ref('int_account_year_changes') }}
),

clv as (
    select
        account_id,
        as_of_date,
        residual_clv
    from {{ ref('int_account_clv') }}
    where as_of_date in ({{ as_of_date() }}, {{ year_ago }})
),

-- a customer with a contract is one while it runs; one without stays one, with an expected value that falls by itself
customers as (
    select
        latest_segments.account_id,
        latest_segments.relationship,
        latest_segments.account_manager as last_manager,
        case
            when latest_segments.relationship = 'contract' then coalesce(year_changes.is_active_then, false)
            else purchases.first_purchase_on < {{ year_ago }}
        end as is_customer_then,
        case
            when latest_segments.relationship = 'contract' then coalesce(year_changes.is_active_now, false)
            else true
        end as is_customer_now,
        coalesce(year_changes.mrr_then, 0) as mrr_then,
        coalesce(year_changes.mrr_now, 0) as mrr_now,
        coalesce(year_changes.mrr_now_at_rate_then, 0) as mrr_now_at_rate_then
    from latest_segments
    left join year_changes on latest_segments.account_id = year_changes.account_id  -- at most one
    left join purchases on latest_segments.account_id = purchases.account_id  -- at most one
),

managed as (
    select
        customers.*,
        -- of who is no customer any more, the manager last seen
        coalesce(segments_now.account_manager, customers.last_manager) as manager_now,
        case when customers.is_customer_then then segments_then.account_manager end as manager_then,
        case when customers.is_customer_then then clv_then.residual_clv else 0e0 end as residual_clv_then,
        case when customers.is_customer_now then clv_now.residual_clv else 0e0 end as residual_clv_now
    from customers
    left join segments as segments_now  -- at most one
        on customers.account_id = segments_now.account_id and segments_now.segment_on = {{ as_of_date() }}
    left join segments as segments_then  -- at most one
        on customers.account_id = segments_then.account_id and segments_then.segment_on = {{ year_ago }}
    left join clv as clv_now  -- at most one
        on customers.account_id = clv_now.account_id and clv_now.as_of_date = {{ as_of_date() }}
    left join clv as clv_then  -- at most one
        on customers.account_id = clv_then.account_id and clv_then.as_of_date = {{ year_ago }}
),

final as (
    select
        account_id,
        relationship,
        manager_then,
        manager_now,
        is_customer_then,
        is_customer_now,
        cast(mrr_then as decimal(38, 4)) as mrr_then,
        cast(mrr_now as decimal(38, 4)) as mrr_now,
        cast(mrr_now_at_rate_then as decimal(38, 4)) as mrr_now_at_rate_then,
        residual_clv_then,
        residual_clv_now,
        residual_clv_then is not null and residual_clv_now is not null as is_comparable
    from managed
)

select * from final
