{{ config(materialized='table', pre_hook='{{ scan_for_rejects() }}') }}

-- depends_on: {{ ref('stg_crm__inputs') }}
with scanned as (
    select * from {{ scanned_rejects() }}
),

-- A line that fails in several ways is one line.
final as (
    select
        entity,
        file,
        line,
        min(column_name) as column_name,
        min(reason) as reason,
        min(raw_line) as raw_line,
        -- A quote that is never closed swallows the lines that follow it: each counts.
        cast(
            max(1 + length(rtrim(raw_line, chr(10))) - length(replace(rtrim(raw_line, chr(10)), chr(10), '')))
            as bigint
        ) as line_count
    from scanned
    group by entity, file, line
)

select * from final
