{#
  The materialisation `by_account`: a table that can be brought up to date account by account. In an increment the model's SQL,
  narrowed with touched_rows, gives all rows of the touched accounts; they take the place of those that are there. What such a
  model says of an account may depend on the rows of that account alone, and on relations whose changes touch it.

  Config:  account  the column that names the account
           touched  the relation that names the touched accounts
#}
{% materialization by_account, default %}
    {%- if not is_increment() -%}
        {%- if is_building() -%}
            {%- do run_query('insert into ' ~ increment_table('models') ~ " values ('" ~ model.name ~ "', false, null, null, null)") -%}
        {%- elif refreshes_by_account() and increment_table_exists('state') -%}
            {#- built by a command that begin_refresh did not see -#}
            {%- do forget_state() -%}
        {%- endif -%}
        {{ return(whole_table()) }}
    {%- endif -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set touched = touched_relation() -%}
    {%- set accounts = run_query('select count(*) from ' ~ touched).columns[0].values()[0] | int -%}
    {%- set changed = {'deleted': 0, 'inserted': 0} -%}
    {%- if accounts > 0 -%}
        {%- if config.get('contract').enforced -%}
            {{ get_assert_columns_equivalent(sql) }}
        {%- endif -%}
        {%- set columns = get_quoted_csv(adapter.get_columns_in_relation(target_relation) | map(attribute='name')) -%}
        {%- call statement('delete', fetch_result=true) -%}
            delete from {{ target_relation }}
            where coalesce({{ config.require('account') }}, '') in (select account_id from {{ touched }})
        {%- endcall -%}
        {%- call statement('main', fetch_result=true) -%}
            insert into {{ target_relation }} ({{ columns }})
            select {{ columns }} from (
                {{ sql }}
            ) as fresh
        {%- endcall -%}
        {%- do changed.update({
            'deleted': load_result('delete').table.columns[0].values()[0] | int,
            'inserted': load_result('main').table.columns[0].values()[0] | int
        }) -%}
    {%- else -%}
        {%- call statement('main') -%} select 'nothing is touched' as outcome {%- endcall -%}
    {%- endif -%}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {%- do run_query(
        'insert into ' ~ increment_table('models') ~ " values ('" ~ model.name ~ "', true, " ~ accounts ~ ', ' ~ changed.deleted
        ~ ', ' ~ changed.inserted ~ ')') -%}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{# The relation that names the accounts for which the model that is built is to be recomputed. #}
{% macro touched_relation() %}{{ return(built_relation(config.require('touched'))) }}{% endmacro %}

{#
  Whether the model that is built is brought up to date: not while the project is parsed, shown or unit-tested, not without a
  table to do it to, and not where all accounts are touched ('*').
#}
{% macro is_increment() %}
    {%- if not is_building() or model.resource_type != 'model' or config.get('materialized') != 'by_account' -%}
        {{ return(false) }}
    {%- endif -%}
    {%- if 'is_increment' not in model -%}
        {%- set there = load_cached_relation(this) -%}
        {%- set touched = load_cached_relation(touched_relation()) -%}
        {%- do model.update({'is_increment': (
            there is not none and there.is_table and touched is not none
            and run_query("select 1 from " ~ touched ~ " where account_id = '*' limit 1") | length == 0
        )}) -%}
    {%- endif -%}
    {{ return(model.is_increment) }}
{% endmacro %}

{# At the head of a model by account: which relation names the touched accounts, and which of its columns the account. #}
{% macro by_account(touched='int_touched_accounts', account='account_id') -%}
    {{ config(materialized='by_account', touched=touched, account=account) -}}
    {%- if model.resource_type == 'model' %}
    -- depends_on: {{ ref(touched) }}
    {%- endif %}
{% endmacro %}

{#
  A relation as a model by account reads it: in an increment the rows of the touched accounts, else all. A model that is none,
  and a unit test, read all.
#}
{% macro touched_rows(relation, account='account_id') -%}
    {%- if is_increment() -%}
        (select * from {{ relation }} where {{ account }} in (select account_id from {{ touched_relation() }}))
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}

{# The same as a condition, for rows that have to be read whole first. #}
{% macro where_touched(account) -%}
    {%- if is_increment() -%} where {{ account }} in (select account_id from {{ touched_relation() }}) {%- endif -%}
{%- endmacro %}
