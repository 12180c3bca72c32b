with

survey_responses as (
    {{ known_rows('survey_responses') }}
),

tickets as (
    {{ known_rows('support_tickets') }}
),

stretches as (
    select * from {{ ref('int_customer_stretches') }}
),

signals as (
    select * from {{ ref('signals') }}
),

customers as (
    select account_id
    from stretches
    group by account_id
),

answered as (
    select
        survey_responses.account_id,
        survey_responses.response_id,
        survey_responses.survey,
        survey_responses.score,
        {{ local_day('survey_responses.responded_at') }} as answered_on,
        survey_responses.known_from,
        survey_responses.known_to
    from survey_responses
    inner join customers on survey_responses.account_id = customers.account_id  -- exactly one
    where
        survey_responses.survey in ('nps', 'csat')
        and survey_responses.responded_at is not null
        and survey_responses.score is not null
),

answers as (
    select
        *,
        greatest(known_from, {{ add_days('answered_on', 1) }}) as seen_from
    from answered
    where greatest(known_from, {{ add_days('answered_on', 1) }}) < known_to
),

-- NPS: the latest day with answers, and the one before it, on each day on which they may change
nps_looks as (
    select
        account_id,
        seen_from as look_day
    from answers
    where survey = 'nps'
    union
    select
        account_id,
        known_to as look_day
    from answers
    where survey = 'nps' and known_to < {{ open_end() }}
),

nps_seen as (
    select
        nps_looks.account_id,
        nps_looks.look_day,
        answers.response_id,
        answers.score,
        answers.answered_on,
        dense_rank() over (
            partition by nps_looks.account_id, nps_looks.look_day
            order by answers.answered_on desc
        ) as day_rank
    from nps_looks
    inner join answers
        on
            nps_looks.account_id = answers.account_id
            and nps_looks.look_day >= answers.seen_from
            and nps_looks.look_day < answers.known_to
    where answers.survey = 'nps'
),

nps_days as (
    select
        account_id,
        look_day,
        max(answered_on) as last_on,
        sum(case when day_rank = 1 then score end) as last_sum,
        count(case when day_rank = 1 then score end) as last_count,
        sum(case when day_rank = 2 then score end) as earlier_sum,
        count(case when day_rank = 2 then score end) as earlier_count,
        {{ evidence_of('survey_responses', 'case when day_rank = 1 then response_id end') }} as last_evidence,
        {{ evidence_of('survey_responses', 'response_id') }} as evidence
    from nps_seen
    where day_rank <= 2
    group by account_id, look_day
),

nps_spans as (
    select
        nps_looks.account_id,
        nps_looks.look_day,
        lead(nps_looks.look_day) over (partition by nps_looks.account_id order by nps_looks.look_day) as next_day,
        nps_days.last_on,
        cast(nps_days.last_sum as double) / cast(nps_days.last_count as double) as last_score,
        cast(nps_days.earlier_sum as double) / cast(nullif(nps_days.earlier_count, 0) as double) as earlier_score,
        -- one division of whole numbers, so that a drop by 3 is one by 3
        cast(nps_days.last_sum * nps_days.earlier_count - nps_days.earlier_sum * nps_days.last_count as double)
        / cast(nullif(nps_days.last_count * nps_days.earlier_count, 0) as double) as drop_in_nps,
        nps_days.last_evidence,
        nps_days.evidence
    from nps_looks
    left join nps_days  -- at most one
        on nps_looks.account_id = nps_days.account_id and nps_looks.look_day = nps_days.look_day
),

nps_values as (
    select
        nps_spans.account_id,
        signals.signal,
        nps_spans.look_day,
        nps_spans.next_day,
        {{ add_days('nps_spans.last_on', '1 + signals.window_days') }} as until_day,
        case when signals.signal = 'nps_drop' then nps_spans.drop_in_nps else nps_spans.last_score end as value,
        case when signals.signal = 'nps_drop' then nps_spans.earlier_score end as baseline,
        case when signals.signal = 'nps_drop' then nps_spans.evidence else nps_spans.last_evidence end as evidence
    from nps_spans
    cross join signals
    where signals.signal in ('nps_drop', 'nps_detractor')
),

-- an answer counts until it is too old
nps_pieces as (
    select
        account_id,
        signal,
        look_day as valid_from,
        case when look_day < until_day then value end as value,
        case when look_day < until_day then baseline end as baseline,
        case when look_day < until_day and value is not null then evidence end as evidence
    from nps_values
    union all
    select
        account_id,
        signal,
        until_day as valid_from,
        cast(null as double) as value,
        cast(null as double) as baseline,
        cast(null as string) as evidence
    from nps_values
    where look_day < until_day and (next_day is null or until_day < next_day)
),

-- CSAT: the mean of a window
csat_in_window as (
    select
        answers.account_id,
        answers.response_id,
        answers.score,
        answers.seen_from as from_day,
        least(answers.known_to, {{ add_days('answers.answered_on', '1 + signals.window_days') }}) as to_day
    from answers
    cross join signals
    where
        answers.survey = 'csat'
        and signals.signal = 'csat_low'
        and answers.seen_from < {{ add_days('answers.answered_on', '1 + signals.window_days') }}
),

csat_changes as (
    select
        account_id,
        from_day as change_day,
        score,
        1 as answers
    from csat_in_window
    union all
    select
        account_id,
        to_day as change_day,
        -score as score,
        -1 as answers
    from csat_in_window
),

csat_change_days as (
    select
        account_id,
        change_day,
        sum(score) as score,
        sum(answers) as answers
    from csat_changes
    group by account_id, change_day
),

csat_counted as (
    select
        account_id,
        change_day,
        sum(score) over (
            partition by account_id
            order by change_day
            rows between unbounded preceding and current row
        ) as score,
        sum(answers) over (
            partition by account_id
            order by change_day
            rows between unbounded preceding and current row
        ) as answers
    from csat_change_days
),

csat_means as (
    select
        csat_counted.account_id,
        csat_counted.change_day,
        signals.clear_threshold,
        case
            when csat_counted.answers > 0 then cast(csat_counted.score as double) / cast(csat_counted.answers as double)
        end as value
    from csat_counted
    cross join signals
    where signals.signal = 'csat_low'
),

-- named where the signal may be fired
csat_evidence as (
    select
        csat_means.account_id,
        csat_means.change_day,
        {{ evidence_of('survey_responses', 'csat_in_window.response_id') }} as evidence
    from csat_means
    inner join csat_in_window
        on
            csat_means.account_id = csat_in_window.account_id
            and csat_means.change_day >= csat_in_window.from_day
            and csat_means.change_day < csat_in_window.to_day
    where csat_means.value <= csat_means.clear_threshold
    group by csat_means.account_id, csat_means.change_day
),

csat_pieces as (
    select
        csat_means.account_id,
        'csat_low' as signal,
        csat_means.change_day as valid_from,
        csat_means.value,
        cast(null as double) as baseline,
        csat_evidence.evidence
    from csat_means
    left join csat_evidence  -- at most one
        on csat_means.account_id = csat_evidence.account_id and csat_means.change_day = csat_evidence.change_day
),

opened as (
    select
        *,
        {{ local_day('opened_at') }} as opened_on,
        {{ local_day('first_response_at') }} as responded_on,
        {{ local_day('resolved_at') }} as resolved_on
    from tickets
),

seen_tickets as (
    select
        *,
        greatest(known_from, {{ add_days('opened_on', 1) }}) as seen_from
    from opened
    where greatest(known_from, {{ add_days('opened_on', 1) }}) < known_to
),

-- Nothing is said of complaints before the base tells them from other tickets and notes when tickets are resolved, nor
-- of answers before it notes when they are given: all would look settled, or none.
base_days as (
    select
        min(case when is_complaint is not null then seen_from end) as complaints_from,
        min(case
            when {{ add_days('resolved_on', 1) }} < known_to
                then greatest(seen_from, {{ add_days('resolved_on', 1) }})
        end) as resolutions_from,
        min(case
            when {{ add_days('responded_on', 1) }} < known_to
                then greatest(seen_from, {{ add_days('responded_on', 1) }})
        end) as responses_from
    from seen_tickets
),

ticket_bases as (
    select
        signals.signal,
        signals.window_days,
        case
            when signals.signal = 'slow_answers' then base_days.responses_from
            when base_days.resolutions_from > base_days.complaints_from then base_days.resolutions_from
            when base_days.resolutions_from is not null then base_days.complaints_from
        end as base_from
    from signals
    cross join base_days
    where signals.signal in ('complaint_open', 'slow_answers')
),

-- days on which a ticket is an open complaint, or one that waited too long
counted_tickets as (
    select
        'complaint_open' as signal,
        account_id,
        ticket_id,
        opened_on,
        seen_from as from_day,
        least(known_to, coalesce({{ add_days('resolved_on', 1) }}, known_to)) as to_day
    from seen_tickets
    where is_complaint
    union all
    select
        'slow_answers' as signal,
        seen_tickets.account_id,
        seen_tickets.ticket_id,
        seen_tickets.opened_on,
        greatest(
            seen_tickets.known_from,
            {{ known_from_day("seen_tickets.opened_at + signals.baseline_days * interval '1' day") }}
        ) as from_day,
        least(
            seen_tickets.known_to,
            {{ add_days(
                local_day("seen_tickets.opened_at + signals.baseline_days * interval '1' day"), '1 + signals.window_days'
            ) }}
        ) as to_day
    from seen_tickets
    cross join signals
    where
        signals.signal = 'slow_answers'
        and (
            seen_tickets.first_response_at is null
            or seen_tickets.first_response_at > seen_tickets.opened_at + signals.baseline_days * interval '1' day
        )
),

counted_spans as (
    select
        counted_tickets.*,
        ticket_bases.base_from
    from counted_tickets
    inner join customers on counted_tickets.account_id = customers.account_id  -- exactly one
    inner join ticket_bases on counted_tickets.signal = ticket_bases.signal  -- at most one
    where counted_tickets.from_day < counted_tickets.to_day and counted_tickets.to_day > ticket_bases.base_from
),

ticket_looks as (
    select
        customers.account_id,
        ticket_bases.signal,
        ticket_bases.base_from as look_day
    from customers
    cross join ticket_bases
    where ticket_bases.base_from is not null
    union
    select
        account_id,
        signal,
        from_day as look_day
    from counted_spans
    where from_day > base_from
    union
    select
        account_id,
        signal,
        to_day as look_day
    from counted_spans
    where to_day < {{ open_end() }}
),

ticket_counts as (
    select
        ticket_looks.account_id,
        ticket_looks.signal,
        ticket_looks.look_day,
        count(*) as tickets,
        min(counted_spans.opened_on) as oldest_on
    from ticket_looks
    inner join counted_spans
        on
            ticket_looks.account_id = counted_spans.account_id
            and ticket_looks.signal = counted_spans.signal
            and ticket_looks.look_day >= counted_spans.from_day
            and ticket_looks.look_day < counted_spans.to_day
    group by ticket_looks.account_id, ticket_looks.signal, ticket_looks.look_day
),

ticket_evidence as (
    select
        ticket_counts.account_id,
        ticket_counts.signal,
        ticket_counts.look_day,
        {{ evidence_of('support_tickets', 'counted_spans.ticket_id') }} as evidence
    from ticket_counts
    inner join counted_spans
        on
            ticket_counts.account_id = counted_spans.account_id
            and ticket_counts.signal = counted_spans.signal
            and ticket_counts.look_day >= counted_spans.from_day
            and ticket_counts.look_day < counted_spans.to_day
            and (ticket_counts.signal = 'slow_answers' or ticket_counts.oldest_on = counted_spans.opened_on)
    group by ticket_counts.account_id, ticket_counts.signal, ticket_counts.look_day
),

ticket_pieces as (
    select
        ticket_looks.account_id,
        ticket_looks.signal,
        ticket_looks.look_day as valid_from,
        ticket_counts.tickets,
        case when ticket_looks.signal = 'complaint_open' then ticket_counts.oldest_on end as open_since,
        ticket_evidence.evidence
    from ticket_looks
    left join ticket_counts  -- at most one
        on
            ticket_looks.account_id = ticket_counts.account_id
            and ticket_looks.signal = ticket_counts.signal
            and ticket_looks.look_day = ticket_counts.look_day
    left join ticket_evidence  -- at most one
        on
            ticket_looks.account_id = ticket_evidence.account_id
            and ticket_looks.signal = ticket_evidence.signal
            and ticket_looks.look_day = ticket_evidence.look_day
),

pieces as (
    select
        account_id,
        signal,
        valid_from,
        value,
        cast(null as date) as open_since,
        baseline,
        evidence
    from nps_pieces
    union all
    select
        account_id,
        signal,
        valid_from,
        value,
        cast(null as date) as open_since,
        baseline,
        evidence
    from csat_pieces
    union all
    select
        account_id,
        signal,
        valid_from,
        case when open_since is null then cast(coalesce(tickets, 0) as double) end as value,
        open_since,
        cast(null as double) as baseline,
        evidence
    from ticket_pieces
),

followed as (
    select
        *,
        lag(value) over (partition by account_id, signal order by valid_from) as previous_value,
        lag(open_since) over (partition by account_id, signal order by valid_from) as previous_open_since,
        lag(baseline) over (partition by account_id, signal order by valid_from) as previous_baseline,
        lag(evidence) over (partition by account_id, signal order by valid_from) as previous_evidence
    from pieces
),

-- What says the same as the one before it is no piece of its own; nor is what begins without data: so does no piece.
final as (
    select
        account_id,
        signal,
        valid_from,
        case
            when open_since is null then value
            else cast({{ days_between('open_since', 'valid_from') }} as double)
        end as value,
        case when open_since is null then 0 else 1 end as value_per_day,
        baseline,
        value is not null or open_since is not null as has_data,
        evidence
    from followed
    where
        value is distinct from previous_value
        or open_since is distinct from previous_open_since
        or baseline is distinct from previous_baseline
        or evidence is distinct from previous_evidence
)

select * from final
