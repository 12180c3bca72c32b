{#
  How the rows of a seed reach Spark. dbt-spark's own statement writes an empty value as the text None and a quote as it is,
  and a cast per value, which takes Spark minutes to read for some ten thousand rows. Here a batch is one JSON text.
#}
{% macro spark__load_csv_rows(model, agate_table) %}
    {%- set types = {} -%}
    {%- set fields = [] -%}
    {%- for name in agate_table.column_names -%}
        {%- set type = model.config.get('column_types', {}).get(name) or adapter.convert_type(agate_table, loop.index0) -%}
        {%- do types.update({name: type}) -%}
        {%- do fields.append(adapter.quote(name) ~ ' string') -%}
    {%- endfor -%}
    {%- set statements = [] -%}
    {%- for chunk in agate_table.rows | batch(get_batch_size()) -%}
        {%- set rows = [] -%}
        {%- for row in chunk -%}
            {%- set values = {} -%}
            {%- for name in agate_table.column_names -%}
                {%- if row[name] is not none -%}{%- do values.update({name: row[name] | string}) -%}{%- endif -%}
            {%- endfor -%}
            {%- do rows.append(values) -%}
        {%- endfor -%}
        {%- set statement -%}
            insert into {{ this.render() }}
            select
                {%- for name, type in types.items() %}
                cast({{ adapter.quote(name) }} as {{ type }}) as {{ adapter.quote(name) }}{{ ',' if not loop.last }}
                {%- endfor %}
            from (
                select inline(from_json(
                    '{{ tojson(rows) | replace("\\", "\\\\") | replace("'", "\\'") }}',
                    'array<struct<{{ fields | join(', ') }}>>', map('mode', 'FAILFAST')
                ))
            ) as seed_rows
        {%- endset -%}
        {%- do adapter.add_query(statement, abridge_sql_log=True) -%}
        {%- do statements.append(statement) -%}
    {%- endfor -%}
    {{ return(statements[0] if statements else '') }}
{% endmacro %}
