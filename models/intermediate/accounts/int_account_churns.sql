with

account_periods as (
    select * from {{ ref('int_account_periods') }}
    where movement = 'churn'
),

spells as (
    select * from {{ ref('int_account_spells') }}
),

cancellations as (
    select * from {{ ref('cancellations') }}
),

invoices as (
    select * from {{ ref('invoices') }}
),

-- the spell whose end left the account inactive at the period's end
ended as (
    select
        account_periods.period_grain,
        account_periods.period_start,
        account_periods.is_complete,
        account_periods.account_id,
        account_periods.mrr_churned,
        max(spells.spell_start) as spell_start,
        max(spells.spell_end) as churned_on
    from account_periods
    inner join spells
        on
            account_periods.account_id = spells.account_id
            and spells.spell_end > account_periods.period_start
            and spells.spell_end <= account_periods.period_end
    group by
        account_periods.period_grain,
        account_periods.period_start,
        account_periods.is_complete,
        account_periods.account_id,
        account_periods.mrr_churned
),

churn_days as (
    select distinct
        account_id,
        spell_start,
        churned_on
    from ended
),

-- the latest cancellation requested by the churn date; one of an earlier relationship explains nothing
requested as (
    select
        churn_days.account_id,
        churn_days.churned_on,
        cancellations.cancellation_id,
        cancellations.reason_code,
        row_number() over (
            partition by churn_days.account_id, churn_days.churned_on
            order by cancellations.requested_on desc, cancellations.cancellation_id desc
        ) as rank_by_request
    from churn_days
    inner join cancellations
        on
            churn_days.account_id = cancellations.account_id
            and cancellations.requested_on <= churn_days.churned_on
            and cancellations.requested_on >= churn_days.spell_start
),

-- involuntary: an invoice of the relationship was still unpaid so many days after it was due
unpaid as (
    select distinct
        churn_days.account_id,
        churn_days.churned_on
    from churn_days
    inner join invoices
        on
            churn_days.account_id = invoices.account_id
            and invoices.due_on >= churn_days.spell_start
            and invoices.due_on <= churn_days.churned_on
    where
        coalesce(invoices.status, 'open') <> 'void'
        and invoices.amount > 0
        and {{ add_days('invoices.due_on', var('involuntary_churn_after_days')) }} <= {{ as_of_date() }}
        and (
            invoices.paid_on is null
            or invoices.paid_on > {{ add_days('invoices.due_on', var('involuntary_churn_after_days')) }}
        )
),

final as (
    select
        ended.period_grain,
        ended.period_start,
        ended.is_complete,
        ended.account_id,
        ended.spell_start,
        ended.churned_on,
        requested.cancellation_id,
        case
            when requested.cancellation_id is not null then coalesce(requested.reason_code, 'unknown')
            when unpaid.account_id is not null then 'payment_failure'
            else 'unknown'
        end as reason_code,
        ended.mrr_churned
    from ended
    left join requested  -- at most one
        on
            ended.account_id = requested.account_id
            and ended.churned_on = requested.churned_on
            and requested.rank_by_request = 1
    left join unpaid  -- at most one
        on ended.account_id = unpaid.account_id and ended.churned_on = unpaid.churned_on
)

select * from final
