with

rows_known as (
    {{ known_rows('subscriptions') }}
),

-- days on which what was believed of an account's past changed: something came late, was corrected or deleted
changes as (
    select
        account_id,
        known_from as changed_on
    from rows_known
    where known_from > valid_from and known_from <= {{ as_of_date() }}
    union
    select
        account_id,
        known_to as changed_on
    from rows_known
    where known_to <= {{ as_of_date() }}
),

beginnings as (
    select
        account_id,
        cast('0001-01-01' as date) as known_from
    from rows_known
    group by account_id
    union all
    select
        account_id,
        changed_on as known_from
    from changes
),

epochs as (
    select
        account_id,
        known_from,
        coalesce(lead(known_from) over (partition by account_id order by known_from), {{ open_end() }}) as known_to
    from beginnings
),

-- What was believed in an epoch. A row that was recorded in time is known to all of its own days, so it may stand in an
-- epoch that begins before it; at most one version of a row does.
subscriptions as (
    select
        epochs.known_from,
        epochs.known_to,
        rows_known.subscription_id,
        rows_known.valid_from,
        rows_known.account_id,
        rows_known.product,
        rows_known.plan,
        rows_known.quantity,
        rows_known.amount,
        rows_known.list_amount,
        rows_known.currency,
        rows_known.billing_interval_months,
        case when rows_known.valid_to <= {{ as_of_date() }} then rows_known.valid_to end as valid_to,
        rows_known.contract_term_months,
        rows_known.contract_end_on,
        rows_known.auto_renews,
        rows_known.is_trial,
        rows_known.is_paused,
        case
            when rows_known.notice_given_on <= {{ as_of_date() }} then rows_known.notice_given_on
        end as notice_given_on
    from epochs
    inner join rows_known
        on
            epochs.account_id = rows_known.account_id
            and rows_known.known_from < rows_known.known_to
            and rows_known.known_to > epochs.known_from
            and rows_known.known_from < epochs.known_to
            and (rows_known.known_from <= epochs.known_from or rows_known.known_from <= rows_known.valid_from)
),

{{ version_steps(['known_from', 'known_to']) }},

versions as (
    select
        known_from,
        known_to,
        subscription_id,
        valid_from,
        valid_from as billed_from,
        valid_to,
        account_id,
        product,
        plan,
        quantity,
        currency,
        billing_interval_months,
        contract_term_months,
        contract_end_on,
        auto_renews,
        notice_given_on,
        mrr_original,
        discount_original
    from valued
    where is_paid
),

{{ paid_steps(['known_from', 'known_to'], ['quantity', 'contract_end_on', 'auto_renews', 'notice_given_on']) }},

final as (
    select
        account_id,
        known_from,
        known_to,
        subscription_id,
        valid_from,
        valid_to,
        billed_from,
        product,
        plan,
        quantity,
        currency,
        billing_interval_months,
        contract_term_months,
        contract_end_on,
        auto_renews,
        notice_given_on,
        mrr_original,
        discount_original
    from bridged
)

select * from final
