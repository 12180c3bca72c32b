{#
  The end of the term a version is in on a day: that of the contract where one ahead is stated, else the next one counted from
  billed_from in terms (without one, in bills). Counted from the first day: 31 August, 28 February, 31 March.
#}
{% macro end_of_term(version, day) -%}
    {%- set months -%}
        (case
            when {{ version }}.contract_term_months >= 1 then {{ version }}.contract_term_months
            else {{ version }}.billing_interval_months
        end)
    {%- endset -%}
    {%- set begun -%}
        cast(floor(cast({{ complete_months_between(version ~ '.billed_from', day) }} as double) / {{ months }}) as integer)
    {%- endset -%}
    case
        when {{ version }}.contract_end_on > {{ day }} then {{ version }}.contract_end_on
        else {{ add_months(version ~ '.billed_from', months ~ ' * (' ~ begun ~ ' + 1)') }}
    end
{%- endmacro %}

{#
  Until when cancellations let the service run, and on which days that was known: CTEs over `cancellations` (known_rows) and
  `versions` (int_known_versions), ending in `requested_ends`. One without a day ends the term it was asked for in, whatever
  changes afterwards. What should have ended and runs on was taken back: the end is known until its own day only.
#}
{% macro requested_end_steps() -%}
undated_ends as (
    select
        cancellations.account_id,
        cancellations.cancellation_id,
        cancellations.subscription_id,
        cancellations.requested_on,
        greatest(cancellations.known_from, versions.known_from) as known_from,
        least(cancellations.known_to, versions.known_to) as known_to,
        max({{ end_of_term('versions', 'cancellations.requested_on') }}) as cancelled_on
    from cancellations
    inner join versions
        on
            cancellations.account_id = versions.account_id
            and (cancellations.subscription_id is null or cancellations.subscription_id = versions.subscription_id)
            and cancellations.requested_on >= versions.valid_from
            and cancellations.requested_on < versions.valid_to
            and cancellations.known_from < versions.known_to
            and cancellations.known_to > versions.known_from
    where cancellations.effective_on is null
    group by
        cancellations.account_id,
        cancellations.cancellation_id,
        cancellations.subscription_id,
        cancellations.requested_on,
        greatest(cancellations.known_from, versions.known_from),
        least(cancellations.known_to, versions.known_to)
),

stated_and_undated_ends as (
    select
        account_id,
        cancellation_id,
        subscription_id,
        requested_on,
        known_from,
        known_to,
        cancelled_on,
        false as is_dated
    from undated_ends
    union all
    select
        account_id,
        cancellation_id,
        subscription_id,
        requested_on,
        known_from,
        known_to,
        effective_on as cancelled_on,
        true as is_dated
    from cancellations
    where effective_on is not null
),

requested_ends as (
    select
        account_id,
        cancellation_id,
        subscription_id,
        requested_on,
        cancelled_on,
        is_dated,
        greatest(known_from, {{ add_days('requested_on', 1) }}) as from_date,
        least(known_to, cancelled_on) as to_date
    from stated_and_undated_ends
)
{%- endmacro %}
