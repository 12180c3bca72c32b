with

contributions as (
    select * from {{ ref('int_health_contributions') }}
    where grid_date = {{ as_of_date() }}
),

states as (
    select * from {{ ref('int_health_states') }}
    where is_as_of
),

signals as (
    select * from {{ ref('signals') }}
),

named_features as (
    select * from {{ ref('health_features') }}
),

named as (
    select
        contributions.*,
        coalesce(
            signals.label,
            replace(named_features.label, '{feature}', {{ feature_subject('contributions.feature') }}),
            contributions.feature
        ) as label,
        case
            when contributions.feature_group = 'signals' and contributions.x > 0e0 then signals.label
            when contributions.feature_group = 'signals' then concat('Not: ', signals.label)
            when contributions.x > contributions.centre
                then replace(named_features.words_high, '{feature}', {{ feature_subject('contributions.feature') }})
            else replace(named_features.words_low, '{feature}', {{ feature_subject('contributions.feature') }})
        end as words
    from contributions
    inner join states on contributions.account_id = states.account_id  -- exactly one
    left join signals  -- at most one
        on
            contributions.feature_group = 'signals'
            and {{ feature_subject('contributions.feature') }} = signals.signal
    left join named_features  -- at most one
        on
            contributions.feature_group <> 'signals'
            and {{ feature_kind('contributions.feature') }} = named_features.feature
    where states.model_status <> 'known_end'
),

final as (
    select
        account_id,
        grid_date,
        feature,
        feature_group,
        label,
        words,
        x,
        contribution,
        cast(row_number() over (
            partition by account_id order by round(contribution, 9) desc, feature asc
        ) as integer) as rank_of_risk
    from named
)

select * from final
