with

customer_dates as (
    select
        grid_date,
        account_id
    from {{ ref('int_customer_dates') }}
    where relationship = 'contract'
),

tickets as (
    {{ known_rows('support_tickets') }}
),

survey_responses as (
    {{ known_rows('survey_responses') }}
),

opened as (
    select
        account_id,
        is_complaint,
        known_from,
        known_to,
        {{ local_day('opened_at') }} as opened_on
    from tickets
),

seen_tickets as (
    select
        account_id,
        is_complaint,
        opened_on,
        known_to,
        greatest(known_from, {{ add_days('opened_on', 1) }}) as seen_from
    from opened
    where greatest(known_from, {{ add_days('opened_on', 1) }}) < known_to
),

-- before its first ticket, and the first that says whether it is a complaint, the base has no data
base_days as (
    select
        min(seen_from) as tickets_from,
        min(case when is_complaint is not null then seen_from end) as complaints_from
    from seen_tickets
),

ticket_counts as (
    select
        customer_dates.grid_date,
        customer_dates.account_id,
        count(*) as tickets,
        {{ count_where('seen_tickets.is_complaint') }} as complaints
    from customer_dates
    inner join seen_tickets
        on
            customer_dates.account_id = seen_tickets.account_id
            and customer_dates.grid_date >= seen_tickets.seen_from
            and customer_dates.grid_date < seen_tickets.known_to
            and customer_dates.grid_date <= {{ add_days('seen_tickets.opened_on', 90) }}
    group by customer_dates.grid_date, customer_dates.account_id
),

answered as (
    select
        account_id,
        survey,
        score,
        known_from,
        known_to,
        {{ local_day('responded_at') }} as answered_on
    from survey_responses
    where survey in ('nps', 'csat') and responded_at is not null and score is not null
),

seen_answers as (
    select
        customer_dates.grid_date,
        customer_dates.account_id,
        answered.survey,
        answered.score,
        answered.answered_on,
        max(case when answered.survey = 'nps' then answered.answered_on end) over (
            partition by customer_dates.grid_date, customer_dates.account_id
        ) as last_nps_on
    from customer_dates
    inner join answered
        on
            customer_dates.account_id = answered.account_id
            and customer_dates.grid_date >= answered.known_from
            and customer_dates.grid_date < answered.known_to
            and customer_dates.grid_date > answered.answered_on
            and customer_dates.grid_date <= {{ add_days('answered.answered_on', 180) }}
),

scores as (
    select
        grid_date,
        account_id,
        sum(case when survey = 'nps' and answered_on = last_nps_on then score end) as nps_sum,
        count(case when survey = 'nps' and answered_on = last_nps_on then score end) as nps_count,
        sum(case when survey = 'csat' and grid_date <= {{ add_days('answered_on', 90) }} then score end) as csat_sum,
        count(case when survey = 'csat' and grid_date <= {{ add_days('answered_on', 90) }} then score end) as csat_count
    from seen_answers
    group by grid_date, account_id
),

final as (
    select
        customer_dates.grid_date,
        customer_dates.account_id,
        case
            when customer_dates.grid_date >= base_days.tickets_from
                then cast(coalesce(ticket_counts.tickets, 0) as bigint)
        end as tickets_90,
        case
            when customer_dates.grid_date >= base_days.complaints_from
                then cast(coalesce(ticket_counts.complaints, 0) as bigint)
        end as complaints_90,
        case
            when scores.nps_count > 0 then cast(scores.nps_sum as double) / cast(scores.nps_count as double)
        end as nps,
        case
            when scores.csat_count > 0 then cast(scores.csat_sum as double) / cast(scores.csat_count as double)
        end as csat
    from customer_dates
    cross join base_days
    left join ticket_counts  -- at most one
        on customer_dates.grid_date = ticket_counts.grid_date and customer_dates.account_id = ticket_counts.account_id
    left join scores  -- at most one
        on customer_dates.grid_date = scores.grid_date and customer_dates.account_id = scores.account_id
)

select * from final
