with

subscriptions as (
    select * from {{ ref('subscriptions') }}
),

-- a version that begins and ends on the same day has no effect, so it must not end the one before it either
effective as (
    select
        *,
        coalesce(valid_to, {{ open_end() }}) as ends_on
    from subscriptions
    where valid_from <= {{ as_of_date() }} and (valid_to is null or valid_to > valid_from)
),

chained as (
    select
        *,
        least(
            ends_on,
            coalesce(lead(valid_from) over (partition by subscription_id order by valid_from), {{ open_end() }})
        ) as in_force_to
    from effective
),

recognised as (
    select
        *,
        {% if chosen('churn_recognition', ['service_end', 'notice']) == 'notice' -%}
        case when notice_given_on < in_force_to then notice_given_on else in_force_to end
        {%- else -%}
        in_force_to
        {%- endif %} as recognised_to
    from chained
),

valued as (
    select
        subscription_id,
        valid_from,
        account_id,
        product,
        plan,
        currency,
        billing_interval_months,
        contract_term_months,
        contract_end_on,
        auto_renews,
        coalesce(is_paused, false) as is_paused,
        not coalesce(is_trial, false)
        {%- if var('pause_is_churn') %} and not coalesce(is_paused, false){% endif %} as is_paid,
        case
            when coalesce(is_paused, false) then cast(0 as decimal(18, 4))
            else {{ money_per_month('amount', 'coalesce(quantity, 1)', 'billing_interval_months') }}
        end as mrr_original,
        case
            when not coalesce(is_paused, false) and list_amount > amount
                then {{ money_per_month('list_amount - amount', 'coalesce(quantity, 1)', 'billing_interval_months') }}
            else cast(0 as decimal(18, 4))
        end as discount_original,
        notice_given_on,
        recognised_to as valid_to
    from recognised
    where recognised_to > valid_from
),

final as (
    select * from valued
)

select * from final
