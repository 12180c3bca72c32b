{#
  A refresh costs what arrived since the last one: models with volume recompute the accounts it touches, all rows of them, and
  leave the others (the materialisation `by_account`). What has been built is written down in the schema operations when a whole
  build has succeeded, and never before; so a build that was interrupted is simply done again.

  increment_state     one row: as-of date, vars, project and models of the last whole build
  increment_inputs    per entity: until when its rows were known, how many those are, and a fingerprint of them
  increment_files     the files they were read from, with size and time
  increment_parents   per account, contact and holder of a role: a fingerprint of what was believed of it
  increment_accounts, increment_signals
                    per account and relation that models by account read: a fingerprint of its rows
  increment_entangled accounts that share the key of a row with another one
  increment_pending   accounts that a build has touched which has not ended well
  increment_run       the build that runs: whether it is an increment, or why not
  increment_models    what it did to each model by account

  increment_..._now are those of the build that runs; they take the place of the others when it has succeeded.
#}
{% macro increment_table(name) %}{{ return((generate_schema_name('operations', none) | trim) ~ '.increment_' ~ name) }}{% endmacro %}

{# Whether a command builds models, rather than shows or tests them, or makes tables without rows. #}
{% macro is_building() %}
    {{ return(execute and flags.WHICH in ['run', 'build'] and not flags.EMPTY and refreshes_by_account()) }}
{% endmacro %}

{# Entities whose rows are validated by account: they grow with what customers do, the others with how many there are. #}
{% macro by_account_entities() %}
    {{ return(['usage_daily', 'usage_events', 'messages', 'orders', 'support_tickets', 'survey_responses']) }}
{% endmacro %}

{#
  The vars that say what is built. Not the as-of date, which moves on with every refresh; nor those that say where the input
  lies, as the rows that are found there are compared. A test holds the list against dbt_project.yml.
#}
{% macro refresh_vars() %}
    {{ return([
        'crm_source', 'crm_entities', 'crm_extra_columns', 'quarantine_max_share', 'reporting_time_zone', 'reporting_currency',
        'fx_max_age_days', 'churn_recognition', 'pause_is_churn', 'past_due_is_mrr', 'involuntary_churn_after_days',
        'reactivation_gap_days', 'reactivation_in_net_churn', 'growth_goal_monthly', 'renewal_horizon_days', 'gross_margin',
        'revenue_basis', 'retention_offer_kinds', 'acquisition_cost_grain', 'clv_discount_rate', 'clv_horizon_months',
        'clv_segment_dimension', 'clv_shrinkage_customers', 'clv_min_customers', 'clv_backtest_months_back', 'value_tiers',
        'churn_lead_days', 'churn_horizon_days', 'champion_window_months', 'alert_grid', 'alert_history_days',
        'alert_mute_days', 'alert_expiry_days', 'alert_focus_size', 'outreach_capacity', 'health_refit_months', 'health_bands',
        'health_usage_features', 'health_prior_churn', 'health_ridge', 'health_max_training_rows', 'what_if_retention_points',
        'what_if_investment_share', 'what_if_loyalty_lift', 'segment_dimensions', 'employee_bands', 'revenue_band_limits',
        'tenure_band_limits', 'small_base_threshold', 'benchmark_assumed_period', 'schema_prefix'
    ]) }}
{% endmacro %}

{# All vars of a build but the as-of date and the place of the input, as JSON. #}
{% macro vars_of_build() %}
    {%- set values = {} -%}
    {%- for name in refresh_vars() -%}{%- do values.update({name: var(name, none)}) -%}{%- endfor -%}
    {{ return(tojson(values, sort_keys=true)) }}
{% endmacro %}

{# A fingerprint of all models, seeds and macros: whatever of them has changed may change any number. #}
{% macro project_fingerprint() %}
    {%- set parts = [] -%}
    {%- for key, node in graph.nodes.items() if node.resource_type in ['model', 'seed'] -%}
        {%- do parts.append(key ~ ':' ~ node.checksum.checksum ~ ':' ~ node.config.materialized) -%}
    {%- endfor -%}
    {%- for package in ['bestand', project_name] | unique -%}
        {%- for name, called in context.get(package, {}).items() -%}
            {%- do parts.append(package ~ '.' ~ name ~ ':' ~ called.macro.macro_sql) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(local_md5(parts | sort | join('\n'))) }}
{% endmacro %}

{# The models by account among those that are selected. #}
{% macro selected_by_account() %}
    {%- set found = [] -%}
    {%- for key, node in graph.nodes.items() if node.resource_type == 'model' and node.config.materialized == 'by_account' -%}
        {%- if key in selected_resources -%}{%- do found.append(key) -%}{%- endif -%}
    {%- endfor -%}
    {{ return(found | sort) }}
{% endmacro %}

{# Whether all that these models are made from is selected with them. #}
{% macro is_whole_selection(models) %}
    {%- set nodes = models | list -%}
    {%- for key in nodes -%}  {#- grows while it is walked -#}
        {%- for parent in graph.nodes[key].depends_on.nodes if parent in graph.nodes and parent not in nodes -%}
            {%- do nodes.append(parent) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(nodes | reject('in', selected_resources) | list | length == 0) }}
{% endmacro %}

{# The relation of a model without a ref: what it holds from the build before. #}
{% macro built_relation(name) %}
    {%- set node = graph.nodes['model.bestand.' ~ name] -%}
    {{ return(api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias, type='table')) }}
{% endmacro %}

{# One row of a query as {column: value}; none where there is no row. #}
{% macro first_row(query) %}
    {%- set found = run_query(query) -%}
    {%- if found | length == 0 -%}{{ return(none) }}{%- endif -%}
    {{ return(found.rows[0].dict()) }}
{% endmacro %}

{% macro increment_table_exists(name) %}
    {%- set parts = increment_table(name).split('.') -%}
    {{ return(run_query(
        "select 1 from information_schema.tables where table_catalog = current_database() and table_schema = '" ~ parts[0]
        ~ "' and table_name = '" ~ parts[1] ~ "'"
    ) | length > 0) }}
{% endmacro %}

{#
  Before anything is built: may this be an increment? What the input says is looked at when it is read (touched_sources).
  A build that is none forgets the state at once, so that what it leaves when it fails is never taken for the last whole build.
#}
{% macro begin_refresh() %}
    {%- if execute and (flags.WHICH == 'seed' or flags.EMPTY) and refreshes_by_account() and increment_table_exists('state') -%}
        {#- reference data may have changed without a build, or the rows are gone -#}
        {%- do run_query('drop table ' ~ increment_table('state')) -%}
    {%- endif -%}
    {%- if is_building() -%}
        {%- set models = selected_by_account() -%}
        {%- if models -%}{%- do _begin_refresh(models) -%}{%- endif -%}
    {%- endif -%}
{% endmacro %}

{% macro _begin_refresh(models) %}
    {%- set is_whole = is_whole_selection(models) -%}
    {%- set vars = vars_of_build() -%}
    {%- set project = project_fingerprint() -%}
    {%- do run_query('create schema if not exists ' ~ increment_table('state').split('.')[0]) -%}
    {%- set state = first_row('select * from ' ~ increment_table('state')) if increment_table_exists('state') else none -%}
    {%- set reasons = [] -%}
    {%- if flags.FULL_REFRESH -%}
        {%- do reasons.append('it was asked for') -%}
    {%- elif not is_whole -%}
        {%- do reasons.append('only a part of the project is selected') -%}
    {%- elif state is none -%}
        {%- do reasons.append('there is no whole build to start from') -%}
    {%- else -%}
        {%- set before = fromjson(state.vars) -%}
        {%- set changed = [] -%}
        {%- for name, value in fromjson(vars).items() if before.get(name) != value -%}{%- do changed.append(name) -%}{%- endfor -%}
        {%- if changed -%}
            {%- do reasons.append('changed vars: ' ~ changed | join(', ')) -%}
        {%- elif state.project != project -%}
            {%- do reasons.append('the project has changed') -%}
        {%- elif as_of_text() < state.latest_as_of -%}
            {%- do reasons.append('the as-of date ' ~ as_of_text() ~ ' lies before ' ~ state.latest_as_of ~ ', that of the last build') -%}
        {%- elif models | reject('in', fromjson(state.models)) | list -%}
            {%- do reasons.append('the last build has left out models that are selected') -%}
        {%- endif -%}
    {%- endif -%}
    {%- set reason = reasons | join('; ') -%}
    {%- do run_query(
        'create or replace table ' ~ increment_table('run') ~ ' as select '
        ~ (not reasons) | lower ~ ' as is_increment, ' ~ sql_text(reason) ~ ' as reason, ' ~ is_whole | lower ~ ' as is_whole, '
        ~ sql_text(as_of_text()) ~ ' as as_of_date, ' ~ sql_text(vars) ~ ' as vars, ' ~ sql_text(project) ~ ' as project, '
        ~ sql_text(tojson(models)) ~ ' as models'
    ) -%}
    {%- do run_query(
        'create or replace table ' ~ increment_table('models')
        ~ ' (model string, is_increment boolean, accounts bigint, rows_deleted bigint, rows_inserted bigint)'
    ) -%}
    {%- if reasons -%}
        {%- do forget_state() -%}
        {%- if not is_whole -%}
            {%- do log('Full build: ' ~ reason ~ '.', info=true) -%}
            {#- what the last build has touched says nothing to this one -#}
            {%- for name in touched_models() if load_cached_relation(built_relation(name)) is not none -%}
                {%- do run_query('create or replace table ' ~ built_relation(name) ~ " as select '*' as account_id") -%}
            {%- endfor -%}
        {%- endif -%}
    {%- else -%}
        {#- should it not end well, no earlier day can follow as an increment -#}
        {%- do run_query('update ' ~ increment_table('state') ~ ' set latest_as_of = ' ~ sql_text(as_of_text())) -%}
    {%- endif -%}
{% endmacro %}

{# Relations that name the accounts a build touches, each made from the one before it. #}
{% macro touched_models() %}{{ return(['int_touched_sources', 'int_touched_accounts', 'int_touched_signals']) }}{% endmacro %}

{% macro forget_state() %}
    {%- do run_query(
        'drop table if exists ' ~ increment_table('state') ~ '; drop table if exists ' ~ increment_table('pending')
        ~ '; create table ' ~ increment_table('pending') ~ ' (touched string, account_id string)'
    ) -%}
{% endmacro %}

{# From here on the build is a full one. #}
{% macro not_an_increment(reason) %}
    {%- do run_query('update ' ~ increment_table('run') ~ ' set is_increment = false, reason = ' ~ sql_text(reason)) -%}
    {%- do forget_state() -%}
{% endmacro %}

{# After a build: what it has built is the state of the next one, if all of it went well. #}
{% macro finish_refresh(results) %}
    {%- if is_building() and selected_by_account() -%}
        {%- set run = first_row('select * from ' ~ increment_table('run')) -%}
        {%- set done = [] -%}
        {%- set failed = [] -%}
        {%- for result in results if result.node.resource_type in ['model', 'seed'] -%}
            {%- do (done if result.status == 'success' else failed).append(result.node.unique_id) -%}
        {%- endfor -%}
        {%- if run.is_whole and not failed and not fromjson(run.models) | reject('in', done) | list -%}
            {%- set statements = ['begin'] -%}
            {%- for name in ['inputs', 'files', 'parents', 'entangled', 'accounts', 'signals'] if increment_table_exists(name ~ '_now') -%}
                {%- do statements.append('drop table if exists ' ~ increment_table(name)) -%}
                {%- do statements.append(
                    'alter table ' ~ increment_table(name ~ '_now') ~ ' rename to increment_' ~ name) -%}
            {%- endfor -%}
            {%- do statements.append('delete from ' ~ increment_table('pending')) -%}
            {%- do statements.append(
                'create or replace table ' ~ increment_table('state')
                ~ ' as select as_of_date, as_of_date as latest_as_of, vars, project, models from ' ~ increment_table('run')) -%}
            {%- do statements.append('commit') -%}
            {%- do run_query(statements | join(';\n')) -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

{# A text as an SQL literal. #}
{% macro sql_text(text) %}{{ return("'" ~ (text | string).replace("'", "''") ~ "'") }}{% endmacro %}
