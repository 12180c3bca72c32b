with

runs as (
    select * from {{ ref('int_signal_runs') }}
    where fired_from <= {{ as_of_date() }}
),

bounded as (
    select
        account_id,
        signal,
        relationship,
        fired_from,
        case
            when over_from <= {{ as_of_date() }} then over_from
            when customer_to <= {{ as_of_date() }} then customer_to
            else {{ open_end() }}
        end as fired_to,
        case
            when over_from <= {{ as_of_date() }} then 'cleared'
            when customer_to <= {{ as_of_date() }} then 'left'
            else 'running'
        end as end_cause
    from runs
),

final as (
    select
        {{ dbt.hash("concat(account_id, '|', signal, '|', cast(fired_from as string))") }} as episode_id,
        account_id,
        signal,
        relationship,
        fired_from,
        fired_to,
        end_cause
    from bounded
)

select * from final
