{#
  Lines of files that the reader itself refuses. `scan_for_rejects` gives the statements that collect them (a pre-hook:
  files are only scanned when the model runs), `scanned_rejects` the rows collected.
#}
{% macro scan_for_rejects() %}
    {%- if execute -%}{{ return(adapter.dispatch('scan_for_rejects', 'bestand')()) }}{%- endif -%}
{% endmacro %}
{% macro default__scan_for_rejects() %}{{ return('') }}{% endmacro %}
{% macro duckdb__scan_for_rejects() %}
    {%- set statements = [
        'create or replace temporary table crm_rejects (entity varchar, file varchar, line bigint, '
        ~ 'column_name varchar, reason varchar, raw_line varchar)'
    ] -%}
    {%- if crm_source() == 'files' -%}
        {%- for entity in crm_contract() -%}
            {%- set input = crm_input(entity) -%}
            {%- set spec = crm_entity(entity) -%}
            {%- for read in input.reads if input.format == 'csv' -%}
                {#- All columns that staging reads are read: a column left out is not checked by the reader. -#}
                {%- set used = [] -%}
                {%- for name in read.columns if name in spec.input_columns -%}
                    {%- do used.append(read.columns[name].sql) -%}
                {%- endfor -%}
                {%- do statements.extend([
                    'drop table if exists crm_reject_errors',
                    'drop table if exists crm_reject_scans',
                    'create or replace temporary table crm_reject_scan as select count(concat(' ~ used | join(', ')
                    ~ ')) as line_count from ' ~ read.open_call
                    ~ ", rejects_table = 'crm_reject_errors', rejects_scan = 'crm_reject_scans')",
                    "insert into crm_rejects select '" ~ entity ~ "', scans.file_path, errors.line, "
                    ~ 'errors.column_name, lower(cast(errors.error_type as varchar)), errors.csv_line from crm_reject_errors as errors '
                    ~ 'inner join crm_reject_scans as scans '
                    ~ 'on errors.scan_id = scans.scan_id and errors.file_id = scans.file_id'
                ]) -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(statements | join(';\n')) }}
{% endmacro %}

{% macro scanned_rejects() %}{{ return(adapter.dispatch('scanned_rejects', 'bestand')()) }}{% endmacro %}
{% macro default__scanned_rejects() -%}
    (
        select
            cast(null as string) as entity, cast(null as string) as file, cast(null as bigint) as line,
            cast(null as string) as column_name, cast(null as string) as reason, cast(null as string) as raw_line
        where 1 = 0
    )
{%- endmacro %}
{% macro duckdb__scanned_rejects() -%} crm_rejects {%- endmacro %}
