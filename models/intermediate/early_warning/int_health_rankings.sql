with

scores as (
    select * from {{ ref('int_health_scores') }}
),

labels as (
    select * from {{ ref('int_churn_labels') }}
    where state in ('churned', 'stayed')
),

customers as (
    select * from {{ ref('int_customer_dates') }}
    where is_month_start and relationship = 'contract'
),

weights as (
    select * from {{ ref('int_health_weights') }}
),

training as (
    select * from {{ ref('int_health_training') }}
),

features as (
    select * from {{ ref('int_health_features') }}
),

judged as (
    select
        labels.grid_date,
        labels.account_id,
        labels.state = 'churned' as has_churned,
        labels.churned_on,
        customers.mrr,
        customers.tenure_days
    from labels
    inner join customers  -- at most one
        on labels.grid_date = customers.grid_date and labels.account_id = customers.account_id
),

-- as scored on the day: with weights that had been learned by then, at the beginning with those of the seeds
walked_forward as (
    select
        case when scores.trained_through is null then 'prior' else 'test' end as split,
        scores.trained_through,
        judged.*,
        scores.churn_probability
    from judged
    inner join scores  -- at most one
        on judged.grid_date = scores.grid_date and judged.account_id = scores.account_id
),

-- of the fits that came to an end, the one that learned from most
newest_fits as (
    select max(trained_through) as trained_through
    from weights
    where feature = 'intercept' and weight is not null
),

newest_weights as (
    select weights.*
    from weights
    inner join newest_fits on weights.trained_through = newest_fits.trained_through
),

trained as (
    select
        judged.*,
        newest_weights.fit,
        newest_weights.trained_through,
        newest_weights.weight as intercept
    from training
    inner join newest_weights  -- at most one
        on training.fit = newest_weights.fit and newest_weights.feature = 'intercept'
    inner join judged  -- exactly one
        on training.grid_date = judged.grid_date and training.account_id = judged.account_id
),

contributions as (
    select
        trained.grid_date,
        trained.account_id,
        sum({{ health_contribution('features.x', 'newest_weights') }}) as log_odds
    from trained
    inner join features
        on trained.grid_date = features.grid_date and trained.account_id = features.account_id
    inner join newest_weights on features.feature = newest_weights.feature  -- at most one
    group by trained.grid_date, trained.account_id
),

-- the newest weights on the rows they were learned from: how much better they look there
learned_from as (
    select
        'train' as split,
        trained.trained_through,
        trained.grid_date,
        trained.account_id,
        trained.has_churned,
        trained.churned_on,
        trained.mrr,
        trained.tenure_days,
        1e0 / (1e0 + exp(-trained.intercept - coalesce(contributions.log_odds, 0e0))) as churn_probability
    from trained
    left join contributions  -- at most one
        on trained.grid_date = contributions.grid_date and trained.account_id = contributions.account_id
),

observations as (
    select
        *,
        -- an order that has nothing to do with anything: decides between equals, and is what chance would do
        md5(concat(account_id, '|', cast(grid_date as string))) as chance
    from (
        select * from walked_forward
        union all
        select * from learned_from
    ) as both_splits
),

-- sums of doubles are not stable to the last bit: what should be equal is made so, lest its order change
rankings as (
    select
        observations.*,
        'health' as ranking,
        round(churn_probability, 12) as score
    from observations
    union all
    select
        observations.*,
        'tenure' as ranking,
        -cast(tenure_days as double) as score
    from observations
    union all
    select
        observations.*,
        'mrr' as ranking,
        -cast(mrr as double) as score
    from observations
    union all
    select
        observations.*,
        'random' as ranking,
        cast(rank() over (partition by split order by chance asc) as double) as score
    from observations
),

-- each date for itself, and all of them together
evaluations as (
    select
        rankings.*,
        cast(grid_date as string) as evaluation
    from rankings
    where split <> 'train'
    union all
    select
        rankings.*,
        'all' as evaluation
    from rankings
),

final as (
    select
        evaluation,
        split,
        ranking,
        grid_date,
        account_id,
        has_churned,
        churned_on,
        mrr,
        churn_probability,
        trained_through,
        score,
        count(*) over (partition by split, ranking, evaluation) as observations,
        row_number() over (
            partition by split, ranking, evaluation
            order by score desc nulls last, chance asc
        ) as rank_from_top,
        row_number() over (
            partition by split, ranking, evaluation, grid_date
            order by score desc nulls last, chance asc
        ) as rank_on_date,
        {{ mid_rank('score', 'split, ranking, evaluation') }} as mid_rank,
        {{ mid_rank('score', 'split, ranking, evaluation, has_churned') }} as mid_rank_in_kind
    from evaluations
)

select * from final
