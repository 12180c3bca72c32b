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

{% if not var('past_due_is_mrr') -%}
-- from the day after an invoice was due until it is paid, what it bills does not count
invoices as (
    select
        account_id,
        subscription_id,
        {{ add_days('due_on', 1) }} as unpaid_from,
        coalesce(paid_on, {{ open_end() }}) as unpaid_to
    from {{ ref('invoices') }}
    where
        coalesce(status, 'open') <> 'void'
        and amount > 0
        and due_on < {{ as_of_date() }}
        and (paid_on is null or paid_on > {{ add_days('due_on', 1) }})
),

unpaid as (
    select
        versions.subscription_id,
        versions.valid_from,
        invoices.unpaid_from,
        invoices.unpaid_to,
        max(invoices.unpaid_to) over (
            partition by versions.subscription_id, versions.valid_from
            order by invoices.unpaid_from, invoices.unpaid_to
            rows between unbounded preceding and 1 preceding
        ) as unpaid_before
    from versions
    inner join invoices
        on
            versions.account_id = invoices.account_id
            and (invoices.subscription_id is null or invoices.subscription_id = versions.subscription_id)
            and invoices.unpaid_from < versions.valid_to
            and invoices.unpaid_to > versions.valid_from
),

-- what lies between the unpaid stretches of a version: before each that begins after all earlier ones, and at the end
paid_stretches as (
    select
        subscription_id,
        valid_from,
        coalesce(unpaid_before, valid_from) as paid_from,
        unpaid_from as paid_to
    from unpaid
    where unpaid_from > coalesce(unpaid_before, valid_from)
    union all
    select
        subscription_id,
        valid_from,
        max(unpaid_to) as paid_from,
        {{ open_end() }} as paid_to
    from unpaid
    group by subscription_id, valid_from
),

counted as (
    select
        versions.subscription_id,
        coalesce(greatest(paid_stretches.paid_from, versions.valid_from), versions.valid_from) as valid_from,
        versions.billed_from,
        coalesce(least(paid_stretches.paid_to, versions.valid_to), versions.valid_to) as valid_to,
        versions.account_id,
        versions.product,
        versions.plan,
        versions.currency,
        versions.billing_interval_months,
        versions.contract_term_months,
        versions.mrr_original,
        versions.discount_original
    from versions
    left join paid_stretches
        on
            versions.subscription_id = paid_stretches.subscription_id
            and versions.valid_from = paid_stretches.valid_from
    where
        paid_stretches.subscription_id is null
        or greatest(paid_stretches.paid_from, versions.valid_from) < least(paid_stretches.paid_to, versions.valid_to)
),

{% else -%}
counted as (
    select * from versions
),

{% endif -%}
{% if var('reactivation_gap_days') | int > 0 -%}
-- a version that is known and begins after the as-of date ends a gap as well: the next build must not take a loss back
upcoming as (
    select
        account_id,
        valid_from,
        coalesce(valid_to, {{ open_end() }}) as valid_to
    from {{ ref('subscriptions') }}
    where
        valid_from > {{ as_of_date() }}
        and (valid_to is null or valid_to > valid_from)
        and not coalesce(is_trial, false)
        {%- if var('pause_is_churn') %}
        and not coalesce(is_paused, false)
        {%- endif %}
),

starts as (
    select
        account_id,
        valid_from,
        valid_to
    from counted
    union all
    select * from upcoming
),

-- gaps of an account that are short enough are bridged: the versions that end where the gap begins last to its end
reached as (
    select
        account_id,
        valid_from,
        max(valid_to) over (
            partition by account_id
            order by valid_from, valid_to
            rows between unbounded preceding and 1 preceding
        ) as covered_to
    from starts
),

gaps as (
    select
        account_id,
        covered_to as gap_start,
        min(valid_from) as gap_end
    from reached
    where
        valid_from > covered_to
        and {{ days_between('covered_to', 'valid_from') }} <= {{ var('reactivation_gap_days') | int }}
    group by account_id, covered_to
),

final as (
    select
        counted.subscription_id,
        counted.valid_from,
        counted.billed_from,
        coalesce(gaps.gap_end, counted.valid_to) as valid_to,
        counted.account_id,
        counted.product,
        counted.plan,
        counted.currency,
        counted.billing_interval_months,
        counted.contract_term_months,
        counted.mrr_original,
        counted.discount_original
    from counted
    left join gaps  -- at most one
        on counted.account_id = gaps.account_id and counted.valid_to = gaps.gap_start
)
{%- else -%}
final as (
    select * from counted
)
{%- endif %}

select * from final
