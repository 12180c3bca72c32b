with

rankings as (
    select
        *,
        {{ is_top_tenth('rank_from_top', 'observations') }} as is_top_tenth,
        rank_on_date <= {{ var('outreach_capacity') }} as is_reached
    from {{ ref('int_health_rankings') }}
),

counted as (
    select
        evaluation,
        split,
        ranking,
        cast(count(*) as bigint) as observations,
        {{ count_where('has_churned') }} as churned,
        {{ count_where('not has_churned') }} as stayed,
        coalesce(sum(case when has_churned then mid_rank end), 0e0) as rank_sum,
        sum(churn_probability) / cast(count(*) as double) as mean_probability,
        {{ brier('churn_probability', 'case when has_churned then 1 else 0 end') }} as brier,
        {{ count_where('is_top_tenth') }} as top_tenth,
        {{ count_where('is_top_tenth and has_churned') }} as top_tenth_churned,
        {{ count_where('is_reached') }} as reached,
        {{ count_where('is_reached and has_churned') }} as reached_churned,
        {{ sum_money('case when is_reached and has_churned then mrr end') }} as mrr_reached_churned,
        {{ sum_money('case when has_churned then mrr end') }} as mrr_churned,
        -- dates of one fit
        case when min(trained_through) = max(trained_through) then min(trained_through) end as trained_through
    from rankings
    group by evaluation, split, ranking
),

measured as (
    select
        *,
        {{ auc('rank_sum', 'churned', 'stayed') }} as auc
    from counted
),

-- an account is observed many times: its observations are no independent ones
by_account as (
    select
        rankings.evaluation,
        rankings.split,
        rankings.ranking,
        rankings.account_id,
        sum({{ auc_influence(
            'rankings.has_churned', 'rankings.mid_rank', 'rankings.mid_rank_in_kind',
            'measured.auc', 'measured.churned', 'measured.stayed'
        ) }}) as influence
    from rankings
    inner join measured  -- exactly one
        on
            rankings.evaluation = measured.evaluation
            and rankings.split = measured.split
            and rankings.ranking = measured.ranking
    where measured.auc is not null
    group by rankings.evaluation, rankings.split, rankings.ranking, rankings.account_id
),

variances as (
    select
        evaluation,
        split,
        ranking,
        {{ clustered_variance('sum(influence * influence)', 'count(*)') }} as auc_variance
    from by_account
    group by evaluation, split, ranking
),

-- the first date on which the customer was among those reached
warned as (
    select
        evaluation,
        split,
        ranking,
        account_id,
        churned_on,
        {{ days_between('min(case when is_reached then grid_date end)', 'churned_on') }} as lead_days
    from rankings
    where has_churned
    group by evaluation, split, ranking, account_id, churned_on
),

leads as (
    select
        evaluation,
        split,
        ranking,
        cast(count(*) as bigint) as churns,
        cast(count(lead_days) as bigint) as churns_warned,
        cast(median(lead_days) as double) as median_lead_days
    from warned
    group by evaluation, split, ranking
),

joined as (
    select
        measured.*,
        {{ ratio('measured.churned', 'measured.observations') }} as base_rate,
        {{ z95() }} * sqrt(variances.auc_variance) as auc_margin,
        coalesce(leads.churns, 0) as churns,
        coalesce(leads.churns_warned, 0) as churns_warned,
        leads.median_lead_days
    from measured
    left join variances  -- at most one
        on
            measured.evaluation = variances.evaluation
            and measured.split = variances.split
            and measured.ranking = variances.ranking
    left join leads  -- at most one
        on
            measured.evaluation = leads.evaluation
            and measured.split = leads.split
            and measured.ranking = leads.ranking
),

final as (
    select
        evaluation as as_of_date,
        split,
        ranking,
        observations,
        churned,
        base_rate,
        -- only the score is a probability
        case when ranking = 'health' then mean_probability end as mean_probability,
        auc,
        case when auc_margin is not null then greatest(auc - auc_margin, 0e0) end as auc_low,
        case when auc_margin is not null then least(auc + auc_margin, 1e0) end as auc_high,
        case when ranking = 'health' then brier end as brier,
        base_rate * (1e0 - base_rate) as brier_base_rate,
        {{ lift('top_tenth_churned', 'top_tenth', 'churned', 'observations') }} as lift_10pct,
        {{ ratio('reached_churned', 'reached') }} as precision_at_capacity,
        {{ ratio('reached_churned', 'churned') }} as recall_at_capacity,
        {{ ratio('mrr_reached_churned', 'mrr_churned') }} as revenue_weighted_recall,
        churns,
        churns_warned,
        median_lead_days,
        trained_through,
        {{ is_small_base('churned') }} as is_small_base
    from joined
)

select * from final
