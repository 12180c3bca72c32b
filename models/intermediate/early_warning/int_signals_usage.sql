{{ config(materialized='view') }}

with

counts as (
    select * from {{ ref('int_usage_counts') }}
),

silences as (
    select * from {{ ref('int_usage_silences') }}
),

power_user_silences as (
    select * from {{ ref('int_power_user_silences') }}
),

final as (
    select * from counts
    union all
    select * from silences
    union all
    select * from power_user_silences
)

select * from final
