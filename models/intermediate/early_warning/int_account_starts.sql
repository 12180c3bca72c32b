{{ by_account() }}

with

usage_days as (
    select * from {{ touched_rows(ref('int_usage_days')) }}
),

tickets as (
    {{ known_rows('support_tickets') }}
),

responses as (
    {{ known_rows('survey_responses') }}
),

messages as (
    {{ known_rows('messages') }}
),

orders as (
    {{ known_rows('orders') }}
),

milestones as (
    select *
    from (
        {{ known_rows('milestones') }}
    ) as known
    {{ where_touched('account_id') }}
),

starts as (
    select
        account_id,
        'signs' as kind,
        known_from as starts_on
    from usage_days
    where quantity > 0
    {%- for rows, kind, moment in [
        ('tickets', 'signs', 'opened_at'),
        ('tickets', 'tickets', 'opened_at'),
        ('responses', 'signs', 'responded_at'),
        ('messages', 'signs', 'opened_at'),
        ('messages', 'signs', 'clicked_at'),
        ('messages', 'signs', 'converted_at'),
        ('orders', 'signs', 'ordered_at'),
        ('milestones', 'signs', 'occurred_at')
    ] %}
    union all
    select
        account_id,
        '{{ kind }}' as kind,
        greatest(known_from, {{ known_from_day(moment) }}) as starts_on
    from {{ rows }}
    where {{ moment }} is not null and greatest(known_from, {{ known_from_day(moment) }}) < known_to
    {%- endfor %}
    union all
    select
        account_id,
        'emails' as kind,
        greatest(known_from, {{ known_from_day('sent_at') }}) as starts_on
    from messages
    where channel = 'email' and known_from < known_to
),

final as (
    select
        account_id,
        kind,
        min(starts_on) as starts_on
    from starts
    group by account_id, kind
)

select * from final
