{# Text helpers whose spelling differs between engines. #}

{# True where text carries the mark of a failed decoding (U+FFFD) or control characters other than tab and newline. #}
{% macro has_broken_text(text) %}{{ return(adapter.dispatch('has_broken_text', 'bestand')(text)) }}{% endmacro %}
{% macro default__has_broken_text(text) -%}
    ({{ text }} rlike '[\\x{00}-\\x{08}\\x{0b}\\x{0c}\\x{0e}-\\x{1f}\\x{7f}\\x{fffd}]')
{%- endmacro %}
{% macro duckdb__has_broken_text(text) -%}
    regexp_matches({{ text }}, '[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x{fffd}]')
{%- endmacro %}

{# Columns as one JSON object in text: `fields` maps names to SQL expressions. #}
{% macro json_row(fields) %}{{ return(adapter.dispatch('json_row', 'bestand')(fields)) }}{% endmacro %}
{% macro default__json_row(fields) -%}
    to_json(named_struct(
        {%- for name, sql in fields.items() %}'{{ name }}', {{ sql }}{{ ', ' if not loop.last }}{% endfor -%}
    ), map('ignoreNullFields', 'false'))
{%- endmacro %}
{% macro duckdb__json_row(fields) -%}
    cast(json_object(
        {%- for name, sql in fields.items() %}'{{ name }}', {{ sql }}{{ ', ' if not loop.last }}{% endfor -%}
    ) as string)
{%- endmacro %}

{# A number that is equal for equal rows and rarely so for others: to find candidates, never as an identity. #}
{% macro row_fingerprint(expressions) %}
    {{- return(adapter.dispatch('row_fingerprint', 'bestand')(expressions)) -}}
{% endmacro %}
{% macro default__row_fingerprint(expressions) -%} xxhash64({{ expressions | join(', ') }}) {%- endmacro %}
{% macro duckdb__row_fingerprint(expressions) -%} hash({{ expressions | join(', ') }}) {%- endmacro %}

{# What goes between `as` and the bracket of a CTE that is read several times and must be streamed, not stored. #}
{% macro streamed_cte() %}{{ return(adapter.dispatch('streamed_cte', 'bestand')()) }}{% endmacro %}
{% macro default__streamed_cte() -%} /* streamed */ {%- endmacro %}
{% macro duckdb__streamed_cte() -%} not materialized {%- endmacro %}

{#
  The same for the rows of an entity with volume as they are supplied: Parquet is read again at less cost than all of its
  columns are stored; other formats, and a database elsewhere, are left to the engine.
#}
{% macro streamed_input(entity) %}{{ return(adapter.dispatch('streamed_input', 'bestand')(entity)) }}{% endmacro %}
{% macro default__streamed_input(entity) -%}{%- endmacro %}
{% macro duckdb__streamed_input(entity) -%}
    {%- if execute and entity in by_account_entities() and crm_source() == 'files' -%}
        {%- set formats = files_of_entity(crm_files(), entity) | map(attribute='format') | unique | list -%}
        {{ streamed_cte() if formats == ['parquet'] }}
    {%- endif -%}
{%- endmacro %}

{# The same for one that must be stored, because planning it together with what reads it takes seconds. #}
{% macro stored_cte() %}{{ return(adapter.dispatch('stored_cte', 'bestand')()) }}{% endmacro %}
{% macro default__stored_cte() -%}{%- endmacro %}
{% macro duckdb__stored_cte() -%} materialized {%- endmacro %}

{# Aggregate: rows of names and doubles as one JSON object in text, by name. #}
{% macro json_object_of(name, value) %}{{ return(adapter.dispatch('json_object_of', 'bestand')(name, value)) }}{% endmacro %}

{# Spark's own JSON has 8.0E-4 for 0.0008. #}
{% macro default__json_object_of(name, value) -%}
    concat('{', array_join(transform(
        array_sort(collect_list(struct({{ name }} as name, {{ value }} as value))),
        entry -> concat(
            substring(to_json(struct(entry.name as n)), 6, length(to_json(struct(entry.name as n))) - 6), ':',
            case
                when entry.value is null then 'null'
                when entry.value = 0e0 or abs(entry.value) between 1e-3 and 9999999e0 then cast(entry.value as string)
                else regexp_replace(cast(cast(entry.value as decimal(38, 18)) as string), '([0-9])0+$', '$1')
            end
        )
    ), ','), '}')
{%- endmacro %}

{% macro duckdb__json_object_of(name, value) -%}
    cast(to_json(map_from_entries(list(row({{ name }}, {{ value }}) order by {{ name }}))) as string)
{%- endmacro %}
