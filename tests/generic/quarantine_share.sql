{#
  The gate: stops the build, before anything downstream is replaced, when more of an entity's rows are refused than the
  var quarantine_max_share allows. Rows that fall with their account or contact do not count; lines the reader refuses do.
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
        when rows_refused > rows_total * {{ allowed }}e0
            then {{ raise_in_sql(
                "concat('" ~ entity ~ ": ', cast(rows_refused as string), ' of ', cast(rows_total as string),"
                ~ " ' rows were refused (', cast(round(rows_refused * 1e2 / rows_total, 1) as string), ' %), more than the '"
                ~ ", '" ~ (allowed * 100) | round(4) ~ " % that the var quarantine_max_share allows. '"
                ~ ", case when rows_rejected > 0 then concat(cast(rows_rejected as string), ' of them by the file reader (see quarantine.reader_rejects). ') else '' end"
                ~ ", coalesce(concat('Most frequent reason: ', top_reason, '. '), '')"
                ~ ", 'The rows: select reasons, raw_row from " ~ model ~ " where disposition = ''quarantined''.')"
            ) }} is null
        else false
    end
{% endtest %}
