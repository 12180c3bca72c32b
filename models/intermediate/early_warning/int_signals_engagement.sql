{{ by_account('int_touched_signals') }}

with

accounts as (
    select * from {{ ref('accounts') }}
),

stretches as (
    select * from {{ touched_rows(ref('int_customer_stretches')) }}
),

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

email_disengaged as (
    select
        window_days,
        baseline_days
    from {{ ref('signals') }}
    where signal = 'email_disengaged'
),

newsletter_unsubscribed as (
    select window_days
    from {{ ref('signals') }}
    where signal = 'newsletter_unsubscribed'
),

-- what customers did, other than using the product
deeds as (
    select
        account_id,
        'support_tickets' as entity,
        ticket_id as row_key,
        {{ local_day('opened_at') }} as active_on,
        known_from,
        known_to
    from tickets
    union all
    select
        account_id,
        'survey_responses' as entity,
        response_id as row_key,
        {{ local_day('responded_at') }} as active_on,
        known_from,
        known_to
    from responses
    where responded_at is not null
    {%- for moment in ['opened_at', 'clicked_at', 'converted_at'] %}
    union all
    select
        account_id,
        'messages' as entity,
        message_id as row_key,
        {{ local_day(moment) }} as active_on,
        known_from,
        known_to
    from messages
    where {{ moment }} is not null
    {%- endfor %}
    union all
    select
        account_id,
        'orders' as entity,
        order_id as row_key,
        {{ local_day('ordered_at') }} as active_on,
        known_from,
        known_to
    from orders
    union all
    select
        account_id,
        'milestones' as entity,
        milestone_id as row_key,
        {{ local_day('occurred_at') }} as active_on,
        known_from,
        known_to
    from milestones
),

seen_deeds as (
    select
        account_id,
        entity,
        row_key,
        active_on,
        greatest(known_from, {{ add_days('active_on', 1) }}) as from_date,
        known_to as to_date
    from deeds
),

signs as (
    select
        account_id,
        active_on,
        from_date,
        to_date
    from seen_deeds
    where from_date < to_date
    union all
    select
        account_id,
        used_on as active_on,
        known_from as from_date,
        known_to as to_date
    from usage_days
    where quantity > 0
),

own_orders as (
    select
        account_id,
        active_on,
        from_date,
        to_date
    from seen_deeds
    where entity = 'orders'
),

-- before the first sign of anybody of the kind, silence says nothing
sign_starts as (
    {% if is_increment() -%}
    {{ activity_starts('signs') }}
    {%- else -%}
    select
        coalesce(accounts.business_model, 'unknown') as business_model,
        min(signs.from_date) as signs_from
    from signs
    inner join accounts on signs.account_id = accounts.account_id  -- exactly one
    group by coalesce(accounts.business_model, 'unknown')
    {%- endif %}
),

-- the silence of a customer begins on the day before he became one at the earliest
starts as (
    select
        stretches.account_id,
        {{ add_days('stretches.from_date', -1) }} as start_day,
        greatest(stretches.from_date, sign_starts.signs_from) as valid_from
    from stretches
    inner join accounts on stretches.account_id = accounts.account_id  -- exactly one
    inner join sign_starts on coalesce(accounts.business_model, 'unknown') = sign_starts.business_model  -- at most one
),

{{ last_known_day_steps('last_signs', 'signs', ['account_id'], 'active_on', 'starts', ['start_day']) }},

{{ last_known_day_steps('last_orders', 'own_orders', ['account_id'], 'active_on') }},

silences as (
    select
        'no_activity' as signal,
        account_id,
        valid_from,
        greatest(last_day, start_day) as last_day,
        greatest(last_day_before, start_day_before) as last_day_before,
        -- else nothing since becoming a customer
        coalesce(last_day >= coalesce(start_day, last_day), false) as has_sign
    from last_signs
    union all
    select
        'no_purchase' as signal,
        account_id,
        valid_from,
        last_day,
        last_day_before,
        last_day is not null as has_sign
    from last_orders
),

turns as (
    select *
    from silences
    where last_day is distinct from last_day_before
),

-- the deeds of the last day that could be seen when the silence began
last_deeds as (
    select
        turns.signal,
        turns.account_id,
        turns.valid_from,
        concat('{"', seen_deeds.entity, '":', {{ json_texts('seen_deeds.row_key') }}, '}') as evidence
    from turns
    inner join seen_deeds
        on
            turns.account_id = seen_deeds.account_id
            and turns.last_day = seen_deeds.active_on
            and turns.valid_from >= seen_deeds.from_date
            and turns.valid_from < seen_deeds.to_date
    where turns.signal = 'no_activity' or seen_deeds.entity = 'orders'
    group by turns.signal, turns.account_id, turns.valid_from, seen_deeds.entity
),

deed_evidence as (
    select
        signal,
        account_id,
        valid_from,
        min(evidence) as evidence
    from last_deeds
    group by signal, account_id, valid_from
),

-- of the signs of a day the first by name is given: usage, the last of them, only where there is no deed
silence_pieces as (
    select
        turns.account_id,
        turns.signal,
        turns.valid_from,
        {{ days_between('turns.last_day', 'turns.valid_from') }} - 1 as value,
        case when turns.last_day is not null then 1 else 0 end as value_per_day,
        turns.last_day is not null as has_data,
        case
            when deed_evidence.evidence is not null then deed_evidence.evidence
            when turns.has_sign then {{ usage_evidence('turns.last_day', 'turns.last_day') }}
        end as evidence
    from turns
    left join deed_evidence  -- at most one
        on
            turns.signal = deed_evidence.signal
            and turns.account_id = deed_evidence.account_id
            and turns.valid_from = deed_evidence.valid_from
),

emails as (
    select
        account_id,
        message_id,
        sent_at,
        {{ local_day('sent_at') }} as sent_on,
        known_from,
        known_to,
        -- a click opens what it is in
        {{ known_from_day('least(opened_at, clicked_at)') }} as opened_from
    from messages
    where channel = 'email' and known_from < known_to
),

-- an opened e-mail ends the row of all that were sent before it, on the day that could know of it
read_emails as (
    select
        *,
        min(case
            when opened_from is not null and greatest(known_from, opened_from) < known_to
                then greatest(known_from, opened_from)
        end) over (
            partition by account_id
            order by sent_at desc
            range between unbounded preceding and current row
        ) as read_on_from
    from emails
),

email_starts as (
    {% if is_increment() -%}
    {{ activity_starts('emails') }}
    {%- else -%}
    select min(greatest(known_from, {{ add_days('sent_on', 1) }})) as emails_from
    from emails
    {%- endif %}
),

mailed as (
    select
        'email_disengaged' as signal,
        read_emails.account_id,
        read_emails.message_id,
        read_emails.sent_on as happened_on,
        1 as counted,
        0 as asked,
        greatest(
            read_emails.known_from,
            {{ add_days('read_emails.sent_on', 'email_disengaged.baseline_days + 1') }}
        ) as from_date,
        least(
            read_emails.known_to,
            read_emails.read_on_from,
            {{ add_days('read_emails.sent_on', 'email_disengaged.window_days + 1') }}
        ) as to_date
    from read_emails
    cross join email_disengaged
    union all
    select
        'email_disengaged' as signal,
        emails.account_id,
        cast(null as string) as message_id,
        cast(null as date) as happened_on,
        0 as counted,
        1 as asked,
        greatest(emails.known_from, {{ add_days('emails.sent_on', 1) }}) as from_date,
        least(emails.known_to, {{ add_days('emails.sent_on', 'email_disengaged.window_days + 1') }}) as to_date
    from emails
    cross join email_disengaged
    union all
    select
        'newsletter_unsubscribed' as signal,
        messages.account_id,
        messages.message_id,
        {{ local_day('messages.unsubscribed_at') }} as happened_on,
        1 as counted,
        0 as asked,
        greatest(messages.known_from, {{ known_from_day('messages.unsubscribed_at') }}) as from_date,
        least(
            messages.known_to,
            {{ add_days(local_day('messages.unsubscribed_at'), 'newsletter_unsubscribed.window_days + 1') }}
        ) as to_date
    from messages
    cross join newsletter_unsubscribed
    where messages.unsubscribed_at is not null
    union all
    -- with e-mails in the base, nobody's unsubscribing is an answer
    select
        'newsletter_unsubscribed' as signal,
        customers.account_id,
        cast(null as string) as message_id,
        cast(null as date) as happened_on,
        0 as counted,
        1 as asked,
        email_starts.emails_from as from_date,
        {{ open_end() }} as to_date
    from (select distinct account_id from stretches) as customers
    cross join email_starts
    where email_starts.emails_from is not null
),

mail_totals as (
    {{ running_totals('mailed', ['signal', 'account_id'], ['counted', 'asked']) }}
),

newest_mails as (
    select
        signal,
        account_id,
        from_date as valid_from,
        max(concat(cast(happened_on as string), ' ', message_id)) as mail_name
    from mailed
    where counted = 1 and from_date < to_date
    group by signal, account_id, from_date
),

mail_states as (
    select
        mail_totals.signal,
        mail_totals.account_id,
        mail_totals.valid_from,
        mail_totals.counted,
        mail_totals.asked > 0 as has_data,
        max(newest_mails.mail_name) over (
            partition by mail_totals.signal, mail_totals.account_id
            order by mail_totals.valid_from
            rows between unbounded preceding and current row
        ) as mail_name
    from mail_totals
    left join newest_mails  -- at most one
        on
            mail_totals.signal = newest_mails.signal
            and mail_totals.account_id = newest_mails.account_id
            and mail_totals.valid_from = newest_mails.valid_from
),

mail_values as (
    select
        signal,
        account_id,
        valid_from,
        case when has_data then counted end as value,
        has_data,
        case when has_data and counted > 0 then substring(mail_name, 12) end as message_id
    from mail_states
),

mail_changes as (
    select
        *,
        lag(value) over (partition by signal, account_id order by valid_from) as value_before,
        lag(message_id) over (partition by signal, account_id order by valid_from) as message_id_before,
        lag(has_data) over (partition by signal, account_id order by valid_from) as has_data_before
    from mail_values
),

final as (
    select
        account_id,
        signal,
        valid_from,
        cast(value as double) as value,
        value_per_day,
        cast(null as double) as baseline,
        has_data,
        evidence
    from silence_pieces
    union all
    select
        account_id,
        signal,
        valid_from,
        cast(value as double) as value,
        0 as value_per_day,
        cast(null as double) as baseline,
        has_data,
        case
            when message_id is not null then concat('{"messages":[', {{ json_string('message_id') }}, ']}')
        end as evidence
    from mail_changes
    where
        has_data is distinct from coalesce(has_data_before, false)
        or value is distinct from value_before
        or message_id is distinct from message_id_before
)

select * from final
