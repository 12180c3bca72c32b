with

stretches as (
    select * from {{ ref('int_customer_stretches') }}
),

versions as (
    select * from {{ ref('int_known_versions') }}
),

spells as (
    select * from {{ ref('int_known_spells') }}
),

subscriptions as (
    {{ known_rows('subscriptions') }}
),

cancellations as (
    {{ known_rows('cancellations') }}
),

invoices as (
    {{ known_rows('invoices') }}
),

-- the days on which a version was in force, as believed on those days
in_force as (
    select
        versions.account_id,
        versions.subscription_id,
        versions.contract_end_on,
        versions.auto_renews,
        versions.notice_given_on,
        spells.spell_start,
        greatest(versions.known_from, versions.valid_from) as from_date,
        least(versions.known_to, versions.valid_to) as to_date
    from versions
    inner join spells  -- exactly one
        on
            versions.account_id = spells.account_id
            and versions.known_from = spells.known_from
            and versions.valid_from >= spells.spell_start
            and versions.valid_from < spells.spell_end
    where greatest(versions.known_from, versions.valid_from) < least(versions.known_to, versions.valid_to)
),

-- what runs, and what is signed and yet to begin: a contract that is already renewed does not end
contracts as (
    select
        account_id,
        subscription_id,
        contract_end_on,
        auto_renews,
        from_date,
        to_date
    from in_force
    union all
    select
        account_id,
        subscription_id,
        contract_end_on,
        auto_renews,
        known_from as from_date,
        least(known_to, valid_from) as to_date
    from subscriptions
    where
        known_from < least(known_to, valid_from)
        and not coalesce(is_trial, false)
        and (valid_to is null or valid_to > valid_from)
),

terms as (
    select
        account_id,
        1 as contracts,
        case when not auto_renews then 1 else 0 end as ending,
        case when auto_renews is not null or contract_end_on is not null then 1 else 0 end as informed,
        from_date,
        to_date
    from contracts
),

term_totals as (
    {{ running_totals('terms', ['account_id'], ['contracts', 'ending', 'informed']) }}
),

term_ends as (
    select
        term_totals.account_id,
        term_totals.valid_from,
        max(concat(cast(contracts.contract_end_on as string), ' ', contracts.subscription_id)) as last_end
    from term_totals
    inner join contracts
        on
            term_totals.account_id = contracts.account_id
            and term_totals.valid_from >= contracts.from_date
            and term_totals.valid_from < contracts.to_date
            and contracts.contract_end_on is not null
    where term_totals.contracts = term_totals.ending
    group by term_totals.account_id, term_totals.valid_from
),

term_states as (
    select
        term_totals.account_id,
        term_totals.valid_from,
        term_totals.informed > 0 as has_data,
        term_ends.last_end,
        cast(substring(term_ends.last_end, 1, 10) as date) as ends_on,
        lead(term_totals.valid_from) over (
            partition by term_totals.account_id order by term_totals.valid_from
        ) as next_from
    from term_totals
    left join term_ends  -- at most one
        on term_totals.account_id = term_ends.account_id and term_totals.valid_from = term_ends.valid_from
),

-- who runs on past the end of his term has none that is known
term_points as (
    select
        account_id,
        valid_from,
        has_data,
        case when ends_on > valid_from then last_end end as last_end
    from term_states
    union all
    select
        account_id,
        ends_on as valid_from,
        has_data,
        cast(null as string) as last_end
    from term_states
    where ends_on > valid_from and (next_from is null or ends_on < next_from)
),

term_changes as (
    select
        *,
        cast(substring(last_end, 1, 10) as date) as ends_on,
        substring(last_end, 12) as subscription_id,
        lag(has_data) over (partition by account_id order by valid_from) as has_data_before,
        lag(last_end) over (partition by account_id order by valid_from) as last_end_before
    from term_points
),

-- Notice counts from its own day on, a cancellation from the day after it was asked for. One without a subscription
-- means all of them.
notices as (
    select
        account_id,
        'subscriptions' as entity,
        subscription_id as row_key,
        greatest(from_date, notice_given_on) as from_date,
        to_date
    from in_force
    where notice_given_on is not null
),

{{ requested_end_steps() }},

requests as (
    select
        in_force.account_id,
        requested_ends.cancellation_id,
        greatest(in_force.from_date, requested_ends.from_date) as from_date,
        least(in_force.to_date, requested_ends.to_date) as to_date
    from requested_ends
    inner join in_force
        on
            requested_ends.account_id = in_force.account_id
            and (requested_ends.subscription_id is null or requested_ends.subscription_id = in_force.subscription_id)
            and requested_ends.requested_on >= in_force.spell_start
),

goodbyes as (
    select
        account_id,
        entity,
        row_key,
        from_date,
        to_date
    from notices
    where from_date < to_date
    union all
    select
        account_id,
        'cancellations' as entity,
        cancellation_id as row_key,
        from_date,
        to_date
    from requests
    where from_date < to_date
),

-- where nobody has ever given notice or cancelled, it is not recorded
goodbye_starts as (
    select min(from_date) as goodbyes_from
    from (
        select from_date from notices
        where from_date < to_date
        union all
        select greatest(known_from, {{ add_days('requested_on', 1) }}) as from_date
        from cancellations
        where greatest(known_from, {{ add_days('requested_on', 1) }}) < known_to
    ) as seen
),

goodbye_points as (
    select
        account_id,
        from_date as valid_from
    from goodbyes
    union
    select
        account_id,
        to_date as valid_from
    from goodbyes
    where to_date < {{ open_end() }}
    union
    select
        in_force.account_id,
        goodbye_starts.goodbyes_from as valid_from
    from in_force
    cross join goodbye_starts
    where goodbye_starts.goodbyes_from is not null
),

goodbye_rows as (
    select
        goodbye_points.account_id,
        goodbye_points.valid_from,
        concat('{"', goodbyes.entity, '":', {{ json_texts('goodbyes.row_key') }}, '}') as evidence
    from goodbye_points
    inner join goodbyes
        on
            goodbye_points.account_id = goodbyes.account_id
            and goodbye_points.valid_from >= goodbyes.from_date
            and goodbye_points.valid_from < goodbyes.to_date
    group by goodbye_points.account_id, goodbye_points.valid_from, goodbyes.entity
),

goodbye_states as (
    select
        goodbye_points.account_id,
        goodbye_points.valid_from,
        min(goodbye_rows.evidence) as evidence
    from goodbye_points
    left join goodbye_rows  -- at most two: the entities
        on goodbye_points.account_id = goodbye_rows.account_id and goodbye_points.valid_from = goodbye_rows.valid_from
    group by goodbye_points.account_id, goodbye_points.valid_from
),

goodbye_changes as (
    select
        *,
        lag(evidence) over (partition by account_id order by valid_from) as evidence_before,
        lag(valid_from) over (partition by account_id order by valid_from) is null as is_first
    from goodbye_states
),

-- what is overdue: an invoice is unpaid until the day that could know of its payment, whatever its status says by now
overdue as (
    select
        account_id,
        concat(cast(due_on as string), ' ', invoice_id) as invoice,
        greatest(known_from, {{ add_days('due_on', 1) }}) as from_date,
        case
            when paid_on is not null then least(known_to, {{ add_days('paid_on', 1) }})
            else known_to
        end as to_date
    from invoices
    where
        due_on is not null
        and amount > 0
        and coalesce(status, 'open') <> 'void'
        and (coalesce(status, 'open') <> 'paid' or paid_on is not null)
),

invoice_starts as (
    select min(known_from) as invoices_from
    from invoices
    where due_on is not null and known_from < known_to
),

overdue_points as (
    select
        account_id,
        from_date as valid_from
    from overdue
    where from_date < to_date
    union
    select
        account_id,
        to_date as valid_from
    from overdue
    where from_date < to_date and to_date < {{ open_end() }}
    union
    select
        stretches.account_id,
        invoice_starts.invoices_from as valid_from
    from stretches
    cross join invoice_starts
    where invoice_starts.invoices_from is not null
),

overdue_states as (
    select
        overdue_points.account_id,
        overdue_points.valid_from,
        min(overdue.invoice) as oldest_invoice
    from overdue_points
    left join overdue
        on
            overdue_points.account_id = overdue.account_id
            and overdue_points.valid_from >= overdue.from_date
            and overdue_points.valid_from < overdue.to_date
    group by overdue_points.account_id, overdue_points.valid_from
),

overdue_changes as (
    select
        *,
        cast(substring(oldest_invoice, 1, 10) as date) as due_on,
        substring(oldest_invoice, 12) as invoice_id,
        lag(oldest_invoice) over (partition by account_id order by valid_from) as oldest_before,
        lag(valid_from) over (partition by account_id order by valid_from) is null as is_first
    from overdue_states
),

final as (
    select
        account_id,
        'contract_ending' as signal,
        valid_from,
        cast({{ days_between('valid_from', 'ends_on') }} as double) as value,
        case when ends_on is not null then -1 else 0 end as value_per_day,
        cast(null as double) as baseline,
        has_data,
        case
            when ends_on is not null then concat('{"subscriptions":[', {{ json_string('subscription_id') }}, ']}')
        end as evidence
    from term_changes
    where has_data is distinct from has_data_before or last_end is distinct from last_end_before
    union all
    select
        account_id,
        'cancelled_running' as signal,
        valid_from,
        case when evidence is not null then 1e0 else 0e0 end as value,
        0 as value_per_day,
        cast(null as double) as baseline,
        true as has_data,
        evidence
    from goodbye_changes
    where is_first or evidence is distinct from evidence_before
    union all
    select
        account_id,
        'payment_failed' as signal,
        valid_from,
        cast(coalesce({{ days_between('due_on', 'valid_from') }}, 0) as double) as value,
        case when due_on is not null then 1 else 0 end as value_per_day,
        cast(null as double) as baseline,
        true as has_data,
        case
            when due_on is not null then concat('{"invoices":[', {{ json_string('invoice_id') }}, ']}')
        end as evidence
    from overdue_changes
    where is_first or oldest_invoice is distinct from oldest_before
)

select * from final
