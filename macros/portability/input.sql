{#
  Reading files in place, per engine. A "read" is one query source: {sql, columns: {contract name: {sql, type}}, files}.

  has_files        whether the folder exists and holds anything
  files_of_entity  the files of an entity under the folder: [{file, name, format}]
  file_reads       their reads, with what is wrong about them: {reads, problems}
  table_columns    the columns of a table: {lower-case name: {sql, type}}; empty when there is no such table
  as_contract_type a column as the contract's type or, where that needs parsing, as text
#}
{% macro has_files(folder) %}{{ return(adapter.dispatch('has_files', 'bestand')(folder)) }}{% endmacro %}
{% macro default__has_files(folder) %}{{ return(true) }}{% endmacro %}
{% macro duckdb__has_files(folder) %}
    {#- glob names files, not folders: where every entity has a folder of its own, they lie one level down -#}
    {%- set base = folder.replace("'", "''") -%}
    {{ return(run_query(
        "select file from glob('" ~ base ~ "/*') union all select file from glob('" ~ base ~ "/*/*') limit 1"
    ) | length > 0) }}
{% endmacro %}

{% macro files_of_entity(folder, entity) %}
    {{- return(adapter.dispatch('files_of_entity', 'bestand')(folder, entity)) -}}
{% endmacro %}
{% macro default__files_of_entity(folder, entity) %}
    {%- do exceptions.raise_compiler_error(
        "crm_source 'files' reads files with DuckDB or Spark; this is " ~ target.type
        ~ ": load them and use crm_source 'schema'.") -%}
{% endmacro %}
{# Spark lists what is in a folder as the rows of a relation of files; their contents are not read. #}
{% macro spark__files_of_entity(folder, entity) %}
    {%- set view = 'bestand_files_' ~ local_md5(folder) -%}
    {%- do run_query(
        'create or replace temporary view ' ~ view ~ " using binaryFile options (path '" ~ folder.replace("'", "\\'")
        ~ "', recursiveFileLookup 'true')") -%}
    {%- set files = [] -%}
    {%- for row in run_query(
        'select path from ' ~ view ~ " where contains(path, '/" ~ entity ~ ".') or contains(path, '/" ~ entity ~ "/') order by path"
    ) -%}
        {#- directly in the folder, or in its folder of the entity -#}
        {%- set place = row[0].split('/' ~ folder.rstrip('/').split('/')[-1] ~ '/')[-1].split('/') -%}
        {%- if (place | length == 1 and place[0].startswith(entity ~ '.')) or (place | length == 2 and place[0] == entity) -%}
            {%- do files.append({'file': row[0], 'name': place[-1], 'format': place[-1].split('.')[-1] | lower}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(files) }}
{% endmacro %}
{% macro duckdb__files_of_entity(folder, entity) %}
    {%- set base = folder.replace("'", "''").rstrip('/') ~ '/' ~ entity -%}
    {%- set found = run_query(
        "select file from glob('" ~ base ~ ".*') union all select file from glob('" ~ base ~ "/*') order by file"
    ).columns[0].values() | list -%}
    {%- set files = [] -%}
    {%- for file in found -%}
        {%- set name = file.replace('\\', '/').split('/')[-1] -%}
        {%- if name[:1] not in ['.', '_'] -%}
            {%- do files.append({'file': file, 'name': name, 'format': name.split('.')[-1] | lower}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(files) }}
{% endmacro %}

{% macro file_reads(format, files, entity) %}
    {{- return(adapter.dispatch('file_reads', 'bestand')(format, files, entity)) -}}
{% endmacro %}
{# Parquet alone, as what Spark reads of the other formats it reads by rules of its own. #}
{% macro spark__file_reads(format, files, entity) %}
    {%- if format != 'parquet' -%}
        {{ return({'reads': [], 'problems': [
            files[0].file ~ ': Spark reads Parquet files in place, not .' ~ format
            ~ "; write it as Parquet, or load it as a table and use crm_source 'schema'."]}) }}
    {%- endif -%}
    {#- files may differ in their columns: one read for those that have the same -#}
    {%- set alike = {} -%}
    {%- for file in files -%}
        {%- set key = tojson(query_columns('parquet.`' ~ file.file ~ '`')) -%}
        {%- if key not in alike -%}{%- do alike.update({key: []}) -%}{%- endif -%}
        {%- do alike[key].append(file) -%}
    {%- endfor -%}
    {%- set reads = [] -%}
    {%- for key, group in alike.items() -%}
        {%- set place = group[0].file.rsplit('/', 1)[0] -%}
        {%- set names = group | map(attribute='name') | join(',') -%}
        {%- do reads.append({
            'sql': 'parquet.`' ~ place ~ '/' ~ ('{' ~ names ~ '}' if group | length > 1 else names) ~ '`',
            'columns': fromjson(key),
            'files': group | map(attribute='file') | list}) -%}
    {%- endfor -%}
    {{ return({'reads': reads, 'problems': []}) }}
{% endmacro %}
{# The columns of what a query reads from, as table_columns gives them. #}
{% macro query_columns(source) %}
    {%- set columns = {} -%}
    {%- for column in adapter.get_column_schema_from_query('select * from ' ~ source ~ ' limit 0') -%}
        {%- do columns.update({column.name | lower: {'sql': adapter.quote(column.name), 'type': column.dtype}}) -%}
    {%- endfor -%}
    {{ return(columns) }}
{% endmacro %}
{% macro duckdb__file_reads(format, files, entity) %}
    {%- set reads = [] -%}
    {%- set problems = [] -%}
    {%- set list = [] -%}
    {%- for file in files -%}{%- do list.append("'" ~ file.file.replace("'", "''") ~ "'") -%}{%- endfor -%}
    {%- if format == 'csv' -%}
        {#- Files may differ in the order of their columns: one read per header. -#}
        {%- set by_header = {} -%}
        {%- for file in files -%}
            {%- set header = csv_header(list[loop.index0]) -%}
            {%- if header is none -%}
                {%- do problems.append(
                    file.file ~ ': the file is empty; expected a header line with the columns of '
                    ~ entity.name ~ '.') -%}
            {%- else -%}
                {%- if header not in by_header -%}{%- do by_header.update({header: []}) -%}{%- endif -%}
                {%- do by_header[header].append(loop.index0) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- for header, numbers in by_header.items() -%}
            {%- set names = [] -%}
            {%- set best = {'count': -1, 'delimiter': ',', 'names': []} -%}
            {%- for delimiter in [',', ';', '\t', '|'] -%}
                {%- set names = [] -%}
                {%- for name in header.split(delimiter) -%}
                    {%- do names.append(name.strip().strip('"').strip() | lower) -%}
                {%- endfor -%}
                {%- set known = names | select('in', entity.input_columns) | list | length -%}
                {%- if known > best.count -%}
                    {%- do best.update({'count': known, 'delimiter': delimiter, 'names': names}) -%}
                {%- endif -%}
            {%- endfor -%}
            {%- set columns = {} -%}
            {%- set fields = [] -%}
            {%- for name in best.names -%}
                {%- if name in columns -%}
                    {%- do problems.append(
                        files[numbers[0]].file ~ ": the column '" ~ name ~ "' occurs twice in the header.") -%}
                {%- else -%}
                    {%- do columns.update({name: {'sql': adapter.quote(name), 'type': 'VARCHAR'}}) -%}
                {%- endif -%}
                {%- do fields.append("'" ~ name.replace("'", "''") ~ "': 'VARCHAR'") -%}
            {%- endfor -%}
            {%- set paths = [] -%}
            {%- set originals = [] -%}
            {%- for number in numbers -%}
                {%- do paths.append(list[number]) -%}
                {%- do originals.append(files[number].file) -%}
            {%- endfor -%}
            {#- A line that cannot be read is stored, not fatal (store_rejects). ignore_errors would be simpler, but after
                a broken quote it silently drops the good lines that follow; strict_mode = false would swallow lines into
                a value (both seen with DuckDB 1.5.5 and 2.0.0). -#}
            {%- set call -%}
                read_csv([{{ paths | join(', ') }}], auto_detect = false, header = true, delim = '{{ best.delimiter }}',
                    quote = '"', escape = '"', columns = {{ '{' ~ fields | join(', ') ~ '}' }}, store_rejects = true
            {%- endset -%}
            {%- do reads.append({'sql': call ~ ')', 'open_call': call, 'columns': columns, 'files': originals}) -%}
        {%- endfor -%}
    {%- else -%}
        {%- set hollow = run_query('select filename from read_blob([' ~ list | join(', ') ~ ']) where size = 0') -%}
        {%- if hollow | length > 0 -%}
            {%- for row in hollow -%}{%- do problems.append(row[0] ~ ': the file is empty (0 bytes).') -%}{%- endfor -%}
        {%- else -%}
            {%- set reader = 'read_parquet' if format == 'parquet' else 'read_json' -%}
            {%- set call = reader ~ '([' ~ list | join(', ') ~ '], union_by_name = true' -%}
            {%- set columns = {} -%}
            {%- set fields = [] -%}
            {%- for row in run_query('describe select * from ' ~ call ~ ')') -%}
                {%- set type = row[1] if format == 'parquet' else 'VARCHAR' -%}
                {%- do columns.update({row[0] | lower: {'sql': adapter.quote(row[0]), 'type': type}}) -%}
                {%- do fields.append("'" ~ row[0].replace("'", "''") ~ "': 'VARCHAR'") -%}
            {%- endfor -%}
            {%- if columns | list == ['json'] and run_query('select 1 from ' ~ call ~ ') limit 1') | length == 0 -%}
                {#- An empty list names no columns; it lacks none either. -#}
                {%- do columns.clear() -%}
                {%- do fields.clear() -%}
                {%- for name in entity.input_columns -%}
                    {%- do columns.update({name: {'sql': name, 'type': 'VARCHAR'}}) -%}
                    {%- do fields.append("'" ~ name ~ "': 'VARCHAR'") -%}
                {%- endfor -%}
            {%- endif -%}
            {%- if format == 'json' -%}
                {#- Numbers and dates stay the text they are written as. -#}
                {%- set call = 'read_json([' ~ list | join(', ') ~ '], columns = {' ~ fields | join(', ') ~ '}' -%}
            {%- endif -%}
            {%- do reads.append({
                'sql': call ~ ')', 'columns': columns, 'files': files | map(attribute='file') | list}) -%}
        {%- endif -%}
    {%- endif -%}
    {{ return({'reads': reads, 'problems': problems}) }}
{% endmacro %}

{# The first line of a CSV file; none when there is none. `path` is an SQL literal. #}
{% macro csv_header(path) %}
    {%- set lines = run_query(
        'select line from read_csv(' ~ path
        ~ ", auto_detect = false, header = false, delim = '\x1f', quote = '', escape = '', "
        ~ "columns = {'line': 'VARCHAR'}, ignore_errors = true, strict_mode = false) limit 1"
    ) -%}
    {%- set line = (lines.columns[0].values()[0] or '').lstrip('\ufeff') if lines | length > 0 else '' -%}
    {{ return(line if line.strip() else none) }}
{% endmacro %}

{% macro table_columns(database, schema, table) %}
    {{- return(adapter.dispatch('table_columns', 'bestand')(database, schema, table)) -}}
{% endmacro %}
{% macro default__table_columns(database, schema, table) %}
    {%- set relation = adapter.get_relation(database=database, schema=schema, identifier=table) -%}
    {%- set columns = {} -%}
    {%- if relation -%}
        {%- for column in adapter.get_columns_in_relation(relation) -%}
            {%- do columns.update({column.name | lower: {'sql': adapter.quote(column.name), 'type': column.dtype}}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(columns) }}
{% endmacro %}
{# Asked of the catalog in the name's first part, if there is one: dbt-spark itself knows no other than the default. #}
{% macro spark__table_columns(database, schema, table) %}
    {%- set catalog = adapter.quote(database) ~ '.' if database else '' -%}
    {%- set place = catalog ~ adapter.quote(schema) -%}
    {%- set is_there = run_query('show schemas' ~ (' in ' ~ adapter.quote(database) if database else '') ~ " like '" ~ schema ~ "'")
        | length > 0 -%}
    {%- if is_there and run_query('show tables in ' ~ place ~ " like '" ~ table ~ "'") | length
        + run_query('show views in ' ~ place ~ " like '" ~ table ~ "'") | length > 0 -%}
        {{ return(query_columns(place ~ '.' ~ adapter.quote(table))) }}
    {%- endif -%}
    {{ return({}) }}
{% endmacro %}
{% macro duckdb__table_columns(database, schema, table) %}
    {%- set columns = {} -%}
    {%- for row in run_query(
        "select column_name, data_type from information_schema.columns where lower(table_name) = '" ~ table ~ "'"
        ~ " and lower(table_schema) = lower('" ~ schema ~ "')"
        ~ " and lower(table_catalog) = " ~ ("lower('" ~ database ~ "')" if database else 'lower(current_database())')
        ~ " order by ordinal_position"
    ) -%}
        {%- do columns.update({row[0] | lower: {'sql': adapter.quote(row[0]), 'type': row[1]}}) -%}
    {%- endfor -%}
    {{ return(columns) }}
{% endmacro %}

{% macro as_contract_type(sql, source_type, contract_type) %}
    {{- return(adapter.dispatch('as_contract_type', 'bestand')(sql, source_type, contract_type)) -}}
{% endmacro %}
{% macro default__as_contract_type(sql, source_type, contract_type) %}
    {%- set family = source_type | upper -%}
    {%- set family = family.split('(')[0] -%}
    {%- set numbers = [
        'TINYINT', 'SMALLINT', 'INTEGER', 'INT', 'BIGINT', 'HUGEINT', 'UTINYINT', 'USMALLINT', 'UINTEGER', 'UBIGINT',
        'FLOAT', 'DOUBLE', 'DECIMAL'
    ] -%}
    {%- set fits = {
        'text': ['VARCHAR', 'STRING'],
        'date': ['DATE'],
        'timestamp': ['TIMESTAMP', 'TIMESTAMP_NTZ', 'TIMESTAMP WITH TIME ZONE', 'TIMESTAMP_S', 'TIMESTAMP_MS', 'TIMESTAMP_NS', 'DATE'],
        'boolean': ['BOOLEAN'],
        'integer': numbers, 'decimal': numbers, 'rate': numbers
    }[contract_type] -%}
    {{ return(sql if family in fits or family in ['VARCHAR', 'STRING'] else 'cast(' ~ sql ~ ' as string)') }}
{% endmacro %}
