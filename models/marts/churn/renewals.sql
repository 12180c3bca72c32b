with

int_renewals as (
    select * from {{ ref('int_renewals') }}
),

final as (
    select
        subscription_id,
        due_on,
        account_id,
        product,
        plan,
        contract_term_months,
        auto_renews,
        notice_given_on,
        outcome,
        outcome = 'open' and due_on < {{ add_days(as_of_date(), var('renewal_horizon_days')) }} as is_due_soon,
        version_ended_on,
        mrr
    from int_renewals
)

select * from final
