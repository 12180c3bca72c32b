-- The movements of a month add up to the month, label by label; and each account has one commercial label a month.
with

movements as (
    select
        month_start,
        sum(case when movement = 'new' then mrr_change else 0 end) as mrr_new,
        sum(case when movement = 'expansion' then mrr_change else 0 end) as mrr_expansion,
        sum(case when movement = 'reactivation' then mrr_change else 0 end) as mrr_reactivation,
        -sum(case when movement = 'contraction' then mrr_change else 0 end) as mrr_contraction,
        -sum(case when movement = 'churn' then mrr_change else 0 end) as mrr_churn,
        sum(case when movement = 'fx' then mrr_change else 0 end) as mrr_fx,
        sum(case when movement = 'none' then mrr_change else 0 end) as mrr_none
    from {{ ref('mrr_movements') }}
    group by month_start
),

labels as (
    select
        account_id,
        month_start,
        count(distinct movement) as label_count
    from {{ ref('mrr_movements') }}
    where movement_kind = 'commercial'
    group by account_id, month_start
),

sums as (
    select months.month_start
    from {{ ref('mrr_monthly') }} as months
    left join movements on months.month_start = movements.month_start
    where
        (
            months.mrr_new, months.mrr_expansion, months.mrr_reactivation, months.mrr_contraction, months.mrr_churn,
            months.mrr_fx
        ) is distinct from (
            movements.mrr_new, movements.mrr_expansion, movements.mrr_reactivation, movements.mrr_contraction,
            movements.mrr_churn, movements.mrr_fx
        )
        or movements.mrr_none is distinct from 0
)

select
    'sum' as what,
    month_start,
    cast(null as {{ dbt.type_string() }}) as account_id
from sums
union all
select
    'labels' as what,
    months.month_start,
    months.account_id
from {{ ref('account_months') }} as months
left join labels on months.account_id = labels.account_id and months.month_start = labels.month_start
where labels.label_count is distinct from 1
