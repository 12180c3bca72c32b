{{ by_account() }}

with

usage_days as (
    select * from {{ touched_rows(ref('int_usage_days')) }}
),

final as (
    select
        account_id,
        used_on,
        feature,
        is_login,
        is_core,
        known_from,
        known_to,
        cast(sum(quantity) as decimal(38, 4)) as quantity
    from usage_days
    group by account_id, used_on, feature, is_login, is_core, known_from, known_to
)

select * from final
