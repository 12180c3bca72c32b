{#
  From subscription rows to paid service: once as of the build's date, and once for every state of knowledge there was (early
  warning sees the past as it was seen then). `epoch` names the columns that tell states of knowledge apart; none: one state.
#}

{# Versions in force, with their MRR: CTEs over `subscriptions`, ending in `valued`. #}
{% macro version_steps(epoch=[]) -%}
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
            coalesce(lead(valid_from) over (partition by {{ epoch_columns(epoch) }} subscription_id order by valid_from), {{ open_end() }})
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
        {{ epoch_columns(epoch) }}subscription_id,
        valid_from,
        account_id,
        product,
        plan,
        {%- if epoch %}
        quantity,
        {%- endif %}
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
)
{%- endmacro %}

{# Stretches of paid service without a gap: CTEs over `versions` (account_id, subscription_id, valid_from, valid_to). #}
{% macro spell_steps(epoch=[]) -%}
-- The day up to which everything that began earlier reaches. Subscriptions of the same days are told apart by their id:
-- both windows must see them in the same order, or one spell would be counted as two.
reached as (
    select
        {{ epoch_columns(epoch) }}account_id,
        subscription_id,
        valid_from,
        valid_to,
        max(valid_to) over (
            partition by {{ epoch_columns(epoch) }} account_id
            order by valid_from, valid_to, subscription_id
            rows between unbounded preceding and 1 preceding
        ) as covered_to
    from versions
),

numbered as (
    select
        {{ epoch_columns(epoch) }}account_id,
        valid_from,
        valid_to,
        sum(case when covered_to is null or valid_from > covered_to then 1 else 0 end) over (
            partition by {{ epoch_columns(epoch) }} account_id
            order by valid_from, valid_to, subscription_id
            rows between unbounded preceding and current row
        ) as spell_number
    from reached
)
{%- endmacro %}

{#
  Versions as they count: less the days past due where those are no MRR, short gaps bridged. CTEs over `versions`, ending in
  `bridged`; `extra` names columns to carry along.
#}
{% macro paid_steps(epoch=[], extra=[]) -%}
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
        {{ epoch_columns(epoch, 'versions') }}versions.subscription_id,
        versions.valid_from,
        invoices.unpaid_from,
        invoices.unpaid_to,
        max(invoices.unpaid_to) over (
            partition by {{ epoch_columns(epoch, 'versions') }} versions.subscription_id, versions.valid_from
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
        {{ epoch_columns(epoch) }}subscription_id,
        valid_from,
        coalesce(unpaid_before, valid_from) as paid_from,
        unpaid_from as paid_to
    from unpaid
    where unpaid_from > coalesce(unpaid_before, valid_from)
    union all
    select
        {{ epoch_columns(epoch) }}subscription_id,
        valid_from,
        max(unpaid_to) as paid_from,
        {{ open_end() }} as paid_to
    from unpaid
    group by {{ epoch_columns(epoch) }} subscription_id, valid_from
),

counted as (
    select
        {{ epoch_columns(epoch, 'versions') }}versions.subscription_id,
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
        {%- for column in extra %}
        versions.{{ column }},
        {%- endfor %}
        versions.discount_original
    from versions
    left join paid_stretches
        on
            versions.subscription_id = paid_stretches.subscription_id
            and versions.valid_from = paid_stretches.valid_from
            {{ epoch_agrees(epoch, 'versions', 'paid_stretches') }}
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
{% if not epoch -%}
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

{% endif -%}
starts as (
    select
        {{ epoch_columns(epoch) }}account_id,
        valid_from,
        valid_to
    from counted
    {%- if not epoch %}
    union all
    select * from upcoming
    {%- endif %}
),

-- gaps of an account that are short enough are bridged: the versions that end where the gap begins last to its end
bridged_to as (
    select
        {{ epoch_columns(epoch) }}account_id,
        valid_from,
        max(valid_to) over (
            partition by {{ epoch_columns(epoch) }} account_id
            order by valid_from, valid_to
            rows between unbounded preceding and 1 preceding
        ) as covered_to
    from starts
),

gaps as (
    select
        {{ epoch_columns(epoch) }}account_id,
        covered_to as gap_start,
        min(valid_from) as gap_end
    from bridged_to
    where
        valid_from > covered_to
        and {{ days_between('covered_to', 'valid_from') }} <= {{ var('reactivation_gap_days') | int }}
    group by {{ epoch_columns(epoch) }} account_id, covered_to
),

bridged as (
    select
        {{ epoch_columns(epoch, 'counted') }}counted.subscription_id,
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
        {%- for column in extra %}
        counted.{{ column }},
        {%- endfor %}
        counted.discount_original
    from counted
    left join gaps  -- at most one
        on
            counted.account_id = gaps.account_id
            and counted.valid_to = gaps.gap_start
            {{ epoch_agrees(epoch, 'counted', 'gaps') }}
)
{%- else -%}
bridged as (
    select * from counted
)
{%- endif %}
{%- endmacro %}

{# The columns of a state of knowledge, each with its comma. #}
{% macro epoch_columns(epoch, relation=none) -%}
    {%- for column in epoch %}{{ relation ~ '.' if relation }}{{ column }}, {% endfor -%}
{%- endmacro %}

{# ... and what a join adds for them. #}
{% macro epoch_agrees(epoch, one, other) -%}
    {%- for column in epoch %}and {{ one }}.{{ column }} = {{ other }}.{{ column }} {% endfor -%}
{%- endmacro %}
