with

as_of_dates as (
    {{ clv_as_of_dates() }}
),

versions as (
    select * from {{ ref('int_subscription_versions') }}
    where is_paid
),

cancellations as (
    select * from {{ ref('cancellations') }}
),

-- the term an account is in: its next end is the earliest a notice without a date can take effect
terms as (
    select * from {{ ref('int_renewal_histories') }}
    where is_running
),

running as (
    select
        as_of_dates.as_of_date,
        versions.account_id,
        versions.subscription_id,
        coalesce(versions.notice_given_on <= as_of_dates.as_of_date, false) or not coalesce(versions.auto_renews, true)
            as ends_with_term,
        case
            when versions.contract_end_on > as_of_dates.as_of_date then versions.contract_end_on
            else terms.next_renewal_on
        end as term_ends_on,
        {{ add_months('terms.run_start', 'terms.complete_periods * terms.period_months') }} as period_began_on
    from as_of_dates
    inner join versions
        on as_of_dates.as_of_date >= versions.valid_from and as_of_dates.as_of_date < versions.valid_to
    left join terms  -- at most one
        on as_of_dates.as_of_date = terms.as_of_date and versions.account_id = terms.account_id
),

-- One without a subscription cancels all of them; one without a date, the term it was asked for in. What should have
-- ended by now and has not was taken back.
requested as (
    select
        running.as_of_date,
        running.subscription_id,
        min(coalesce(cancellations.effective_on, running.term_ends_on)) as cancelled_on
    from running
    inner join cancellations
        on
            running.account_id = cancellations.account_id
            and (cancellations.subscription_id is null or running.subscription_id = cancellations.subscription_id)
            and running.as_of_date > cancellations.requested_on
    where
        cancellations.effective_on > running.as_of_date
        or (cancellations.effective_on is null and cancellations.requested_on >= running.period_began_on)
    group by running.as_of_date, running.subscription_id
),

ends as (
    select
        running.as_of_date,
        running.account_id,
        case
            when not running.ends_with_term then requested.cancelled_on
            when requested.cancelled_on < running.term_ends_on then requested.cancelled_on
            else running.term_ends_on
        end as ends_on
    from running
    left join requested  -- at most one
        on running.as_of_date = requested.as_of_date and running.subscription_id = requested.subscription_id
),

-- the account ends with its last subscription, if the end of each is known
final as (
    select
        as_of_date,
        account_id,
        max(ends_on) as known_end_on
    from ends
    group by as_of_date, account_id
    having count(*) = count(ends_on)
)

select * from final
