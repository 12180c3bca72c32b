with

versions as (
    select
        subscription_id,
        valid_from,
        valid_from as billed_from,
        valid_to,
        account_id,
        product,
        plan,
        currency,
        billing_interval_months,
        contract_term_months,
        mrr_original,
        discount_original
    from {{ ref('int_subscription_versions') }}
    where is_paid
),

{{ paid_steps() }},

final as (
    select * from bridged
)

select * from final
