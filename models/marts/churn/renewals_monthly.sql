with

int_renewals as (
    select * from {{ ref('int_renewals') }}
),

counted as (
    select
        {{ period_start_of('month', 'due_on') }} as month_start,
        cast(count(*) as bigint) as renewals_due,
        {{ count_where("outcome = 'renewed'") }} as renewals_renewed,
        {{ count_where("outcome = 'lost'") }} as renewals_lost,
        {{ count_where("outcome = 'open'") }} as renewals_open,
        {{ sum_money('mrr') }} as mrr_due,
        {{ sum_money("case when outcome = 'renewed' then mrr end") }} as mrr_renewed,
        {{ sum_money("case when outcome = 'lost' then mrr end") }} as mrr_lost,
        {{ sum_money("case when outcome = 'open' then mrr end") }} as mrr_open
    from int_renewals
    group by {{ period_start_of('month', 'due_on') }}
),

final as (
    select
        month_start,
        {{ add_months('month_start', 1) }} <= {{ as_of_date() }} as is_complete,
        renewals_due,
        renewals_renewed,
        renewals_lost,
        renewals_open,
        {{ ratio('renewals_renewed', '(renewals_renewed + renewals_lost)') }} as renewal_rate,
        {{ wilson_low('renewals_renewed', '(renewals_renewed + renewals_lost)') }} as ci_low,
        {{ wilson_high('renewals_renewed', '(renewals_renewed + renewals_lost)') }} as ci_high,
        {{ is_small_base('(renewals_renewed + renewals_lost)') }} as is_small_base,
        mrr_due,
        mrr_renewed,
        mrr_lost,
        mrr_open
    from counted
)

select * from final
