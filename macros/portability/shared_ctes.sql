{#
  Spark works a CTE out anew wherever it is read, and plans it anew: one read several times by others of its kind makes a plan
  that never ends. So before a table is made on Spark, every CTE that is read more than once is written to a work table, and
  read there. Not those that only name a table, and not those of streamed_cte(); but the rows given to a unit test, which are
  literals. A cached view would not do: the plan that was cached is still carried through the analysis of whatever reads it.
#}
{% macro spark__create_table_as(temporary, relation, compiled_code, language='sql') %}
    {{- return(dbt.spark__create_table_as(
        temporary, relation, compiled_code if temporary else with_stored_ctes(compiled_code, relation.identifier), language
    )) -}}
{% endmacro %}

{# A query that reads its shared CTEs where they are stored; they are worked out here. #}
{% macro with_stored_ctes(sql, name) %}
    {%- set query = split_ctes(sql) -%}
    {%- set stored = [] -%}
    {%- for cte in query.ctes if cte.is_shared -%}
        {%- set table = work_table(name ~ '__' ~ cte.name) -%}
        {%- do run_query('drop table if exists ' ~ table) -%}
        {%- do run_query(
            'create table ' ~ table ~ ' using parquet as ' ~ with_needed_ctes(query.ctes[:cte.number], cte.body)) -%}
        {%- do cte.update({'body': 'select * from ' ~ table}) -%}
        {%- do stored.append(table) -%}
    {%- endfor -%}
    {%- do model.update({'work_tables': model.get('work_tables', []) + stored}) -%}
    {{ return(with_needed_ctes(query.ctes, query.final) if stored else sql) }}
{% endmacro %}

{# Drops what was stored for a table once it is made: a hook after every model. #}
{% macro drop_work_tables() %}
    {%- if execute and model is mapping -%}
        {%- for table in model.get('work_tables', []) -%}
            {%- do run_query('drop table if exists ' ~ table) -%}
        {%- endfor -%}
        {%- do model.update({'work_tables': []}) -%}
    {%- endif -%}
{% endmacro %}

{# A query under those of the CTEs that it reads, directly or through others. #}
{% macro with_needed_ctes(ctes, final) %}
    {%- set wanted = namespace(text=final) -%}
    {%- set needed = [] -%}
    {%- for cte in ctes | reverse if modules.re.search('\\b' ~ cte.name ~ '\\b', wanted.text) -%}
        {%- do needed.append(cte.name ~ ' as (' ~ cte.body ~ ')') -%}
        {%- set wanted.text = wanted.text ~ ' ' ~ cte.body -%}
    {%- endfor -%}
    {{ return(('with ' ~ needed | reverse | join(',\n') ~ '\n' if needed else '') ~ final) }}
{% endmacro %}

{# The outermost CTEs of a query in order, [{name, body, number, is_shared}], and what follows them. #}
{% macro split_ctes(sql) %}
    {%- set spot = namespace(depth=0, open=0, after=0, done=false) -%}
    {%- set ctes = [] -%}
    {%- for token in modules.re.finditer("--[^\\n]*|/\\*(?s:.*?)\\*/|'(?:[^'\\\\]|\\\\.|'')*'|`[^`]*`|[()]", sql) if not spot.done -%}
        {%- if token.group() == '(' -%}
            {%- if spot.depth == 0 -%}
                {%- set before = modules.re.sub('--[^\\n]*', '', sql[spot.after:token.start()]) -%}
                {%- set head = modules.re.match(
                    '(?si)^\\s*' ~ ('with' if not ctes else ',') ~ '\\s+(\\w+)\\s+as\\s*(/\\* streamed \\*/)?\\s*$', before) -%}
                {%- if head -%}
                    {%- do ctes.append({'name': head.group(1), 'is_streamed': head.group(2) is not none, 'number': ctes | length}) -%}
                    {%- set spot.open = token.end() -%}
                {%- else -%}
                    {%- set spot.done = true -%}
                {%- endif -%}
            {%- endif -%}
            {%- set spot.depth = spot.depth + 1 -%}
        {%- elif token.group() == ')' -%}
            {%- set spot.depth = spot.depth - 1 -%}
            {%- if spot.depth == 0 and not spot.done -%}
                {%- do ctes[-1].update({'body': sql[spot.open:token.start()]}) -%}
                {%- set spot.after = token.end() -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set final = sql[spot.after:] -%}
    {%- for cte in ctes -%}
        {%- set later = ctes[loop.index:] | map(attribute='body') | join(' ') ~ ' ' ~ final -%}
        {%- set reads = modules.re.findall('(?i)\\b(?:from|join)\\s+' ~ cte.name ~ '\\b', later) | length -%}
        {%- set named = modules.re.match('(?si)^\\s*select\\s+\\*\\s+from\\s+([\\w.`]+)\\s*$', cte.body) -%}
        {%- set is_name = named and named.group(1) not in ctes | map(attribute='name') -%}
        {%- do cte.update({'is_shared': reads > 1 and not is_name and not cte.is_streamed}) -%}
    {%- endfor -%}
    {{ return({'ctes': ctes, 'final': final}) }}
{% endmacro %}
