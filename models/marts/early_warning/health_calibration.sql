with

rankings as (
    select * from {{ ref('int_health_rankings') }}
    where ranking = 'health' and evaluation = 'all'
),

binned as (
    select
        *,
        cast(ntile(10) over (partition by split order by rank_from_top desc) as integer) as bin
    from rankings
),

counted as (
    select
        split,
        bin,
        cast(count(*) as bigint) as observations,
        {{ count_where('has_churned') }} as churned,
        min(churn_probability) as probability_low,
        max(churn_probability) as probability_high,
        sum(churn_probability) / cast(count(*) as double) as mean_probability
    from binned
    group by split, bin
),

final as (
    select
        split,
        bin,
        observations,
        churned,
        probability_low,
        probability_high,
        mean_probability,
        {{ ratio('churned', 'observations') }} as churn_rate,
        {{ wilson_low('churned', 'observations') }} as ci_low,
        {{ wilson_high('churned', 'observations') }} as ci_high,
        {{ is_small_base('observations') }} as is_small_base
    from counted
)

select * from final
