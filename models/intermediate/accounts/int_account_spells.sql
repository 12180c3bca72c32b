with

versions as (
    select * from {{ ref('int_paid_versions') }}
),

-- The day up to which everything that began earlier reaches. Subscriptions of the same days are told apart by their id:
-- both windows must see them in the same order, or one spell would be counted as two.
reached as (
    select
        account_id,
        subscription_id,
        valid_from,
        valid_to,
        max(valid_to) over (
            partition by account_id
            order by valid_from, valid_to, subscription_id
            rows between unbounded preceding and 1 preceding
        ) as covered_to
    from versions
),

numbered as (
    select
        account_id,
        valid_from,
        valid_to,
        sum(case when covered_to is null or valid_from > covered_to then 1 else 0 end) over (
            partition by account_id
            order by valid_from, valid_to, subscription_id
            rows between unbounded preceding and current row
        ) as spell_number
    from reached
),

final as (
    select
        account_id,
        cast(spell_number as integer) as spell_number,
        min(valid_from) as spell_start,
        max(valid_to) as spell_end,
        max(valid_to) = {{ open_end() }} as is_running
    from numbered
    group by account_id, spell_number
)

select * from final
