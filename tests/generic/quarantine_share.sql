{#
  The gate: stops the build, before anything downstream is replaced, when more of an entity's rows are refused than the
  var quarantine_max_share allows. Rows that fall with their account or contact do not count; lines that the reader
  refuses do.
#}
{% test quarantine_share(model, entity) %}
{%- set allowed = quarantine_max_share(entity) %}
with reasons as (
    select
        reasons,
        count(*) as row_count
    from {{ model }}
    where disposition = 'quarantined' and not {{ only_parent_reasons('reasons') }}
    group by reasons
),

refused as (
    select
        coalesce(sum(row_count), 0) as row_count,
        max_by(reasons, row_count) as top_reason
    from reasons
),

read as (
    select count(*) as row_count from {{ model }}
),

rejected as (
    select coalesce(sum(line_count), 0) as row_count
    from {{ reader_rejects_relation() }}
    where entity = '{{ entity }}'
),

measured as (
    select
        read.row_count + rejected.row_count as rows_total,
        refused.row_count + rejected.row_count as rows_refused,
        rejected.row_count as rows_rejected,
        refused.top_reason
    from read
    cross join refused
    cross join rejected
)

select *
from measured
where
    case
        when rows_refused > rows_total * cast({{ allowed }} as double)
            then {{ raise_in_sql(quarantine_message(model, entity, allowed)) }} is null
        else false
    end
{% endtest %}
