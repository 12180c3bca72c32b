{#
  Where an entity's rows come from, found out when a node runs, never when the project is parsed:
    {is_supplied, format, reads: [{sql, columns, files}], problems: [sentence]}
#}
{% macro crm_input(entity) %}
    {%- set spec = crm_entity(entity) -%}
    {%- set source = crm_source() -%}
    {%- set input = {'is_supplied': false, 'format': none, 'reads': [], 'problems': []} -%}
    {%- set named = var('crm_entities', none) -%}
    {%- if named is not none and entity not in named -%}
        {#- not supplied, by the user's own word -#}
    {%- elif source == 'files' -%}
        {%- do crm_input_files(spec, input, must_exist=named is not none) -%}
    {%- else -%}
        {%- set place = crm_schema().split('.') -%}
        {%- set columns = table_columns(place[0] if place | length > 1 else none, place[-1], entity) -%}
        {%- set origin = crm_schema() ~ '.' ~ entity -%}
        {%- if columns -%}
            {%- set quoted = [] -%}
            {%- for part in place + [entity] -%}{%- do quoted.append(adapter.quote(part)) -%}{%- endfor -%}
            {%- do input.update({'is_supplied': true, 'format': 'table'}) -%}
            {%- do input.reads.append({'sql': quoted | join('.'), 'columns': columns, 'files': [origin]}) -%}
        {%- elif named is not none -%}
            {%- do input.problems.append(
                origin ~ ': the table does not exist, but the var crm_entities names ' ~ entity ~ '.') -%}
        {%- endif -%}
    {%- endif -%}
    {%- if not input.is_supplied and not input.problems and var('crm_held_files', none) -%}
        {%- do crm_input_held(spec, input) -%}
    {%- endif -%}
    {%- if not input.is_supplied and not input.problems and spec.needed == 'required' -%}
        {%- do input.problems.append(
            entity ~ ' is not supplied, and no mart can do without: expected '
            ~ (
                crm_files() ~ '/' ~ entity ~ '.parquet, .csv or .json, or a folder ' ~ crm_files() ~ '/' ~ entity
                ~ '/ of such files.'
                if source == 'files'
                else 'the table ' ~ crm_schema() ~ '.' ~ entity ~ ' (does the schema exist?).'
            )) -%}
    {%- endif -%}
    {%- for read in input.reads -%}
        {%- do crm_column_problems(spec, read.columns, read.files, input.problems) -%}
    {%- endfor -%}
    {{ return(input) }}
{% endmacro %}

{% macro crm_input_files(spec, input, must_exist) %}
    {%- set found = files_of_entity(crm_files(), spec.name) -%}
    {%- set readable = found | selectattr('format', 'in', ['parquet', 'csv', 'json']) | list -%}
    {%- set formats = readable | map(attribute='format') | unique | sort -%}
    {%- if formats | length > 1 -%}
        {%- do input.problems.append(
            spec.name ~ ': files of several formats (' ~ readable | map(attribute='file') | join(', ')
            ~ '); keep those of one, so that no row is read twice.') -%}
    {%- elif found and not readable -%}
        {%- do input.problems.append(found[0].file ~ ': unknown format; expected .parquet, .csv or .json.') -%}
    {%- elif readable -%}
        {%- set read = file_reads(formats[0], readable, spec) -%}
        {%- do input.update({
            'is_supplied': true, 'format': formats[0], 'reads': read.reads, 'problems': read.problems
        }) -%}
    {%- elif must_exist -%}
        {%- do input.problems.append(
            crm_files() ~ '/' ~ spec.name ~ ': no such file (.parquet, .csv or .json) and no such folder, but the var'
            ~ ' crm_entities names ' ~ spec.name ~ '.') -%}
    {%- endif -%}
{% endmacro %}

{# What a refresh keeps itself where the source does not supply it: Parquet files in the folder crm_held_files. #}
{% macro crm_input_held(spec, input) %}
    {%- set found = files_of_entity(var('crm_held_files') | string, spec.name) -%}
    {%- if found -%}
        {%- set read = file_reads('parquet', found, spec) -%}
        {%- do input.update({'is_supplied': true, 'format': 'held', 'reads': read.reads, 'problems': read.problems}) -%}
    {%- endif -%}
{% endmacro %}

{# What is wrong about the columns of one read, as sentences. #}
{% macro crm_column_problems(spec, columns, files, problems) %}
    {%- set missing = spec.needed_columns | reject('in', columns) | list -%}
    {%- set extra = columns | reject('in', spec.input_columns) | list -%}
    {%- set policy = var('crm_extra_columns', 'error') -%}
    {%- set where = files | join(', ') -%}
    {%- if missing -%}
        {%- do problems.append(
            where ~ ': ' ~ ('column ' if missing | length == 1 else 'columns ') ~ missing | join(', ')
            ~ ' missing; expected ' ~ spec.columns | join(', ') ~ ' (needed: ' ~ spec.needed_columns | join(', ')
            ~ '), found ' ~ columns | join(', ') ~ '.') -%}
    {%- endif -%}
    {%- if extra and policy == 'error' -%}
        {%- do problems.append(
            where ~ ': unknown ' ~ ('column ' if extra | length == 1 else 'columns ') ~ extra | join(', ')
            ~ '; expected ' ~ spec.input_columns | join(', ')
            ~ '. Rename what is meant, or leave the rest out with the var crm_extra_columns: ignore.') -%}
    {%- endif -%}
{% endmacro %}

{# The vars that say where the data are, checked. #}
{% macro crm_source() %}
    {%- set source = var('crm_source', 'seeds') -%}
    {%- if source not in ['seeds', 'files', 'schema'] -%}
        {%- do exceptions.raise_compiler_error(
            "The var crm_source is '" ~ source ~ "'; expected seeds, files or schema.") -%}
    {%- endif -%}
    {{ return(source) }}
{% endmacro %}

{% macro crm_files() %}
    {%- set folder = var('crm_files', none) -%}
    {%- if not folder -%}
        {%- do exceptions.raise_compiler_error(
            "The var crm_files is missing: with crm_source 'files' it names the folder that holds"
            ~ ' <entity>.parquet, .csv or .json.') -%}
    {%- endif -%}
    {{ return((folder | string).rstrip('/')) }}
{% endmacro %}

{% macro crm_schema() %}
    {%- set schema = var('crm_schema', none) -%}
    {%- if not schema -%}
        {%- do exceptions.raise_compiler_error(
            "The var crm_schema is missing: with crm_source 'schema' it names the schema (or database.schema) that"
            ~ ' holds one table per entity.') -%}
    {%- endif -%}
    {{ return(schema | string) }}
{% endmacro %}

{# Stops with one error that lists every problem. #}
{% macro raise_input_problems(problems) %}
    {%- if problems -%}
        {%- do exceptions.raise_compiler_error(
            'The input does not fit the contract:\n- ' ~ problems | join('\n- ')) -%}
    {%- endif -%}
{% endmacro %}

{# Checks the settings and every entity at once; gives {entity: input}. Empty while the project is parsed. #}
{% macro crm_inputs() %}
    {%- set source = crm_source() -%}
    {%- set inputs = {} -%}
    {%- set problems = [] -%}
    {%- set named = var('crm_entities', none) -%}
    {%- set policy = var('crm_extra_columns', 'error') -%}
    {%- if policy not in ['error', 'ignore'] -%}
        {%- do exceptions.raise_compiler_error(
            "The var crm_extra_columns is '" ~ policy ~ "'; expected error or ignore.") -%}
    {%- endif -%}
    {%- if named is not none -%}
        {%- if named is string or named is not sequence -%}
            {%- do exceptions.raise_compiler_error(
                "The var crm_entities is '" ~ named
                ~ "'; expected a list of entities, such as [accounts, subscriptions].") -%}
        {%- endif -%}
        {%- for entity in named if entity not in crm_contract() -%}
            {%- do problems.append(
                "The var crm_entities names '" ~ entity ~ "', which the contract does not know; it knows "
                ~ crm_contract() | join(', ') ~ '.') -%}
        {%- endfor -%}
    {%- endif -%}
    {%- if execute and source == 'files' and not has_files(crm_files()) -%}
        {%- do problems.append('The folder ' ~ crm_files() ~ ' (var crm_files) does not exist or is empty.') -%}
    {%- elif execute -%}
        {%- for entity in crm_contract() -%}
            {%- if source == 'seeds' -%}
                {%- set supplied = named is none or entity in named -%}
                {%- do inputs.update({entity: {'is_supplied': supplied, 'format': 'seed' if supplied else none}}) -%}
            {%- else -%}
                {%- set input = crm_input(entity) -%}
                {%- do inputs.update({entity: input}) -%}
                {%- do problems.extend(input.problems) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {%- do raise_input_problems(problems) -%}
    {{ return(inputs) }}
{% endmacro %}
