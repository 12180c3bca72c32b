{# What became of the rows of every entity of the contract, absent ones included. #}
{% macro input_accounting() %}
with inputs as (
    select * from {{ ref('stg_crm__inputs') }}
),

reader_rejects as (
    select
        entity,
        sum(line_count) as rows_rejected_by_reader
    from {{ ref('reader_rejects') }}
    group by entity
),

counted as (
    {%- for entity in crm_contract() %}
    {%- set spec = crm_entity(entity) %}
    select
        '{{ entity }}' as entity,
        count(*) as rows_read,
        count(case when disposition = 'accepted' then 1 end) as rows_accepted,
        count(case when disposition = 'quarantined' then 1 end) as rows_quarantined,
        count(case when disposition = 'superseded' then 1 end) as rows_superseded,
        count(case when disposition = 'not_yet_known' then 1 end) as rows_not_yet_known,
        count(case when disposition = 'accepted' and is_test_account then 1 end) as rows_of_test_accounts,
        {% if spec.has_account -%}
        count(case when disposition = 'accepted' and source_account_id <> account_id then 1 end)
        {%- else -%}
        0
        {%- endif %} as rows_of_merged_accounts,
        count(case when disposition = 'quarantined' and {{ only_parent_reasons('reasons') }} then 1 end)
            as rows_parent_quarantined,
        max(case
            when disposition in ('accepted', 'superseded') and known_at > timestamp '1900-01-01 00:00:00' then known_at
        end) as newest_recorded_at
    from {{ ref('validated_' ~ entity) }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

final as (
    select
        counted.entity,
        inputs.is_supplied,
        cast(counted.rows_read as bigint) as rows_read,
        cast(counted.rows_accepted as bigint) as rows_accepted,
        cast(counted.rows_quarantined as bigint) as rows_quarantined,
        cast(counted.rows_superseded as bigint) as rows_superseded,
        cast(counted.rows_not_yet_known as bigint) as rows_not_yet_known,
        cast(coalesce(reader_rejects.rows_rejected_by_reader, 0) as bigint) as rows_rejected_by_reader,
        counted.newest_recorded_at,
        cast(counted.rows_of_test_accounts as bigint) as rows_of_test_accounts,
        cast(counted.rows_of_merged_accounts as bigint) as rows_of_merged_accounts,
        cast(counted.rows_parent_quarantined as bigint) as rows_parent_quarantined
    from counted
    inner join inputs on counted.entity = inputs.entity
    left join reader_rejects on counted.entity = reader_rejects.entity
)

select * from final
{% endmacro %}

{# True for a row that is quarantined only because its account or contact is. #}
{% macro only_parent_reasons(reasons) -%}
    {{ reasons }} in (
        'parent_quarantined', 'parent_deleted'
    )
{%- endmacro %}

{# The share of an entity's rows that may be quarantined before the build stops (var quarantine_max_share). #}
{% macro quarantine_max_share(entity) %}
    {%- set setting = var('quarantine_max_share') -%}
    {%- set share = setting.get(entity, setting.get('default', 0.05)) if setting is mapping else setting -%}
    {%- if share is not number or share < 0 or share > 1 -%}
        {%- do exceptions.raise_compiler_error(
            "The var quarantine_max_share gives '" ~ share ~ "' for " ~ entity
            ~ '; expected a share between 0 and 1.') -%}
    {%- endif -%}
    {{ return(share) }}
{% endmacro %}

{#
  The relation of reader_rejects without a ref: the gate of an entity must depend on its validated table alone (which
  itself waits for reader_rejects), else selecting any part of the project would run the gates of all entities.
#}
{% macro reader_rejects_relation() %}
    {%- if execute -%}
        {%- set node = graph.nodes['model.bestand.reader_rejects'] -%}
        {{ return(api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias)) }}
    {%- endif -%}
{% endmacro %}

{# What the gate says, as an SQL expression over its measures. #}
{% macro quarantine_message(model, entity, allowed) -%}
    concat(
        '{{ entity }}: ', cast(rows_refused as string), ' of ', cast(rows_total as string), ' rows were refused (',
        cast(round(rows_refused * 1e2 / rows_total, 1) as string),
        ' %), more than the {{ (allowed * 100) | round(4) }} % that the var quarantine_max_share allows. ',
        case
            when rows_rejected > 0
                then concat(
                    cast(rows_rejected as string), ' of them by the file reader (see quarantine.reader_rejects). '
                )
            else ''
        end,
        coalesce(concat('Most frequent reason: ', top_reason, '. '), ''),
        'The rows: select reasons, raw_row from {{ model }} where disposition = ''quarantined''.'
    )
{%- endmacro %}
