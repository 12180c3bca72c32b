{#
  Which accounts a build touches. `int_touched_sources` names them as the input does, for the validated tables;
  `int_touched_accounts` by whom their rows count for, for all that follows. '' stands for rows without an account, '*' for all.
#}

{# The entities that the models of this build are made from, of those validated by account. #}
{% macro refreshed_entities() %}
    {%- set models = fromjson(first_row('select models from ' ~ increment_table('run')).models) -%}
    {%- set found = [] -%}
    {%- for entity in by_account_entities() if 'model.bestand.validated_' ~ entity in models -%}{%- do found.append(entity) -%}{%- endfor -%}
    {{ return(found) }}
{% endmacro %}

{#
  An entity of the input as far as it says what is touched: key, account, known_at, and a fingerprint of the row. Of all its rows,
  or of those that `source` gives.
#}
{% macro input_rows(entity, known_after=none, source=none) -%}
    {%- set spec = crm_entity(entity) -%}
    {%- set names = spec.key + ['account_id', 'recorded_at', spec.event_time] -%}
    {%- set staged = ref('stg_crm__' ~ entity) -%}
    {#- said of the column as it is, so that a reader of Parquet can leave out what is older -#}
    {%- set recorded_type = adapter.get_columns_in_relation(staged) | selectattr('name', 'equalto', 'recorded_at')
        | map(attribute='dtype') | first | upper -%}
    {%- set raw = [] -%}
    {%- for name in spec.input_columns -%}{%- do raw.append('source.' ~ name) -%}{%- endfor -%}
    select
        parsed.*,
        {{ crm_known_at(spec) }} as known_at
    from (
        select
            {%- for name in names | unique %}
            {{ parse_value(spec.input_columns[name].type, 'source.' ~ name, spec.input_columns[name].get('currency', false)) }} as {{ name }},
            {%- endfor %}
            {{ row_fingerprint(raw) }} as fingerprint
        from {{ source or staged }} as source
        {%- if known_after and 'TIMESTAMP' in recorded_type %}
        where source.recorded_at is null or source.recorded_at > {{ known_after }}
        {%- endif %}
    ) as parsed
{%- endmacro %}

{# The fingerprint of all columns of a relation's rows, whatever their order. An aggregate. #}
{% macro fingerprint_of_rows(columns) -%} concat(cast(count(*) as string), ':', cast(sum({{ row_fingerprint(columns) }}) as string)) {%- endmacro %}

{# The columns of a relation. #}
{% macro columns_of(relation) %}{{ return(adapter.get_columns_in_relation(relation) | map(attribute='name') | list) }}{% endmacro %}

{# The query of int_touched_sources, which also decides whether the input allows an increment. #}
{% macro touched_sources() %}
    {%- if not is_building() or not model.resource_type == 'model' -%}
        {{ return("select cast(null as " ~ dbt.type_string() ~ ") as account_id from (select 1 as nothing) as nothing where 1 = 0") }}
    {%- endif -%}
    {%- do note_inputs() -%}
    {%- do note_parents() -%}
    {%- set run = first_row('select is_increment, reason from ' ~ increment_table('run')) -%}
    {%- if run.is_increment -%}
        {%- do note_arrived() -%}
        {%- do note_entangled() -%}
        {{ return(touched_sources_sql()) }}
    {%- endif -%}
    {%- do log('Full build: ' ~ run.reason ~ '.', info=true) -%}
    {%- do run_query('create or replace table ' ~ increment_table('entangled_now') ~ ' (account_id string)') -%}
    {{ return("select '*' as account_id") }}
{% endmacro %}

{#
  Looks how much of the input was known before the as-of moment, and whether what the last build knew is still there as it was. If
  it is not, nobody can say which accounts that touches.
#}
{% macro note_inputs() %}
    {%- set before = {} -%}
    {%- set run = first_row('select is_increment from ' ~ increment_table('run')) -%}
    {%- if run.is_increment -%}
        {%- for row in run_query('select * from ' ~ increment_table('inputs')).rows -%}{%- do before.update({row['entity']: row.dict()}) -%}{%- endfor -%}
    {%- endif -%}
    {%- set is_supplied = {} -%}
    {%- for row in run_query('select entity, is_supplied from ' ~ ref('stg_crm__inputs')).rows -%}
        {%- do is_supplied.update({row['entity']: row['is_supplied']}) -%}
    {%- endfor -%}
    {%- do run_query(
        'create or replace table ' ~ increment_table('inputs_now')
        ~ ' (entity string, is_supplied boolean, known_through timestamp, known_rows bigint, fingerprint string)'
    ) -%}
    {%- do run_query(
        'create or replace table ' ~ increment_table('files_now')
        ~ ' (entity string, file string, bytes bigint, modified_at timestamp, is_settled boolean)'
    ) -%}
    {%- set problems = [] -%}
    {%- for entity in ['accounts', 'contacts', 'contact_roles', 'features'] + refreshed_entities() -%}
        {%- set was = before.get(entity) -%}
        {%- if was and was.is_supplied and not is_supplied[entity] -%}
            {%- do problems.append(entity ~ ' is not supplied any more') -%}
        {%- elif was and is_supplied[entity] and not was.is_supplied -%}
            {%- do problems.append(entity ~ ' was not supplied before') -%}
        {%- endif -%}
        {%- if entity in by_account_entities() and is_supplied[entity] -%}
            {%- set found = input_found(entity, was) -%}
            {%- do run_query(
                'insert into ' ~ increment_table('inputs_now') ~ ' values (' ~ sql_text(entity) ~ ', true, '
                ~ (sql_text(found.known_through) if found.known_through else 'null') ~ ', ' ~ found.known_rows ~ ', '
                ~ sql_text(found.fingerprint) ~ ')') -%}
            {%- if was and not problems and (found.rows_before | int, found.fingerprint_before) != (was.known_rows | int, was.fingerprint) -%}
                {%- do problems.append(
                    entity ~ ': rows known until ' ~ was.known_through ~ ' are not those of the last build (' ~ was.known_rows
                    ~ ' rows then, ' ~ found.rows_before ~ ' now)') -%}
            {%- endif -%}
        {%- else -%}
            {%- do run_query(
                'insert into ' ~ increment_table('inputs_now') ~ ' values (' ~ sql_text(entity) ~ ', '
                ~ is_supplied[entity] | lower ~ ', null, 0, null)') -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if problems -%}{%- do not_an_increment(problems | join('; ')) -%}{%- endif -%}
{% endmacro %}

{#
  What an entity's rows come to, beside what the last build noted of them (`was`). Files that are as they were are not read for it:
  what they hold that was known then is what it was.
#}
{% macro input_found(entity, was) %}
    {%- set reads = crm_input(entity).reads if crm_source() == 'files' else [] -%}
    {%- for read in reads -%}
        {%- do run_query(
            'insert into ' ~ increment_table('files_now') ~ ' select ' ~ sql_text(entity) ~ ', files.* from ('
            ~ file_states(read.files) ~ ') as files') -%}
    {%- endfor -%}
    {%- if was and was.known_through and reads and increment_table_exists('files') -%}
        {%- set changed = run_query(
            'select 1 from ' ~ increment_table('files') ~ ' as was left join ' ~ increment_table('files_now') ~ ' as now'
            ~ ' on was.entity = now.entity and was.file = now.file and was.bytes = now.bytes and was.modified_at = now.modified_at'
            ~ ' where was.entity = ' ~ sql_text(entity) ~ ' and (now.file is null or not was.is_settled) limit 1') -%}
        {%- if changed | length == 0 -%}
            {%- set known = run_query(
                'select file from ' ~ increment_table('files') ~ ' where entity = ' ~ sql_text(entity)).columns[0].values() | list -%}
            {{ return(first_row(input_summary_since(entity, was, known))) }}
        {%- endif -%}
    {%- endif -%}
    {{ return(first_row(input_summary(entity, was.known_through if was else none))) }}
{% endmacro %}

{# Rows of an entity known before the as-of moment, and those that were by the last build. #}
{% macro input_summary(entity, known_through) -%}
    {%- set moment -%} {{ as_of_moment() }} {%- endset -%}
    {%- set then = "cast('" ~ known_through ~ "' as timestamp)" if known_through else "cast(null as timestamp)" -%}
    select
        cast(max(known_at) filter (where known_at < {{ moment }}) as string) as known_through,
        cast(count(*) filter (where known_at < {{ moment }}) as bigint) as known_rows,
        coalesce(cast(sum(fingerprint) filter (where known_at < {{ moment }}) as string), '') as fingerprint,
        cast(count(*) filter (where known_at <= {{ then }}) as bigint) as rows_before,
        coalesce(cast(sum(fingerprint) filter (where known_at <= {{ then }}) as string), '') as fingerprint_before
    from ({{ input_rows(entity) }}) as input_rows
{%- endmacro %}

{# The same where all files of the last build (`known`) are as they were: only new files can hold more rows known by then. #}
{% macro input_summary_since(entity, was, known) -%}
    {%- set spec = crm_entity(entity) -%}
    {%- set moment -%} {{ as_of_moment() }} {%- endset -%}
    {%- set then = known_through(entity) -%}
    {%- set fresh = files_of_entity(crm_files(), entity) | rejectattr('file', 'in', known) | list -%}
    {%- set reads = file_reads(fresh[0].format, fresh, spec).reads if fresh else [] -%}
    with arrived as (
        select
            known_at,
            fingerprint
        from ({{ input_rows(entity, then) }}) as input_rows
        where known_at > {{ then }} and known_at < {{ moment }}
    ),

    told_late as (
        select fingerprint
        from (
            {%- for read in reads %}
            {{ 'union all ' if not loop.first }}{{ input_rows(entity, source='(' ~ staged_read(spec, read) ~ ')') }}
            {%- else %}
            select timestamp '1900-01-01 00:00:00' as known_at, 0 as fingerprint where 1 = 0
            {%- endfor %}
        ) as input_rows
        where known_at <= {{ then }}
    ),

    before as (
        select
            {{ was.known_rows }} + count(*) as known_rows,
            cast('{{ was.fingerprint }}' as decimal(38, 0)) + coalesce(sum(fingerprint), 0) as fingerprint
        from told_late
    )

    select
        cast(coalesce(max(arrived.known_at), {{ then }}) as string) as known_through,
        cast(max(before.known_rows) + count(arrived.known_at) as bigint) as known_rows,
        cast(max(before.fingerprint) + coalesce(sum(arrived.fingerprint), 0) as string) as fingerprint,
        cast(max(before.known_rows) as bigint) as rows_before,
        cast(max(before.fingerprint) as string) as fingerprint_before
    from before
    left join arrived on true
{%- endmacro %}

{# What is believed of accounts, contacts and roles: rows that hang on one of them are judged by it. #}
{% macro note_parents() %}
    {%- set accounts = ref('validated_accounts') -%}
    {%- set contacts = ref('validated_contacts') -%}
    {%- set roles = ref('validated_contact_roles') -%}
    {%- set statement -%}
        create or replace table {{ increment_table('parents_now') }} as
        select
            'account' as kind,
            source_account_id as parent_id,
            source_account_id,
            max(account_id) as account_id,
            {{ fingerprint_of_rows(columns_of(accounts)) }} as fingerprint
        from {{ accounts }}
        where source_account_id is not null
        group by source_account_id
        union all
        -- a contact may have changed the account
        select
            'contact' as kind,
            contact_id as parent_id,
            coalesce(source_account_id, '') as source_account_id,
            max(account_id) as account_id,
            {{ fingerprint_of_rows(columns_of(contacts)) }} as fingerprint
        from {{ contacts }}
        where contact_id is not null
        group by contact_id, coalesce(source_account_id, '')
        union all
        select
            'role' as kind,
            contact_id as parent_id,
            cast(null as string) as source_account_id,
            cast(null as string) as account_id,
            {{ fingerprint_of_rows(columns_of(roles)) }} as fingerprint
        from {{ roles }}
        where contact_id is not null
        group by contact_id
    {%- endset -%}
    {%- do run_query(statement) -%}
{% endmacro %}

{# The parents of which something else is believed than before, as they were and as they are. #}
{% macro changed_parents() -%}
    (
        (select * from {{ increment_table('parents_now') }} except select * from {{ increment_table('parents') }})
        union
        (select * from {{ increment_table('parents') }} except select * from {{ increment_table('parents_now') }})
    )
{%- endmacro %}

{# The moment until which the last build knew the rows of an entity; all that became known later is looked at anew. #}
{% macro known_through(entity) %}
    {%- set found = first_row(
        'select cast(known_through as string) as moment from ' ~ increment_table('inputs') ~ " where entity = '" ~ entity ~ "'") -%}
    {{ return("timestamp '" ~ (found.moment if found and found.moment else '0001-01-01 00:00:00') ~ "'") }}
{% endmacro %}

{# Rows that the last build did not know, or not yet, and what it held of such rows, which need not be there any more. #}
{% macro note_arrived() %}
    {%- for entity in refreshed_entities() -%}
        {%- set since = known_through(entity) -%}
        {%- set names = crm_entity(entity).key | reject('equalto', 'account_id') | list -%}
        {%- do run_query(
            'create or replace table ' ~ increment_table('new_' ~ entity) ~ ' as '
            ~ 'select ' ~ (names + ['account_id']) | join(', ') ~ ' from (' ~ input_rows(entity, since) ~ ') as input_rows'
            ~ ' where known_at > ' ~ since
            ~ ' union all select ' ~ (names + ['source_account_id']) | join(', ') ~ ' from ' ~ built_relation('validated_' ~ entity)
            ~ ' where known_at > ' ~ since
        ) -%}
    {%- endfor -%}
{% endmacro %}

{#
  Accounts that share a key with another one: a corrected row may have moved. Which row of a key stands is decided among all
  of them, so of such accounts either none is recomputed or all are. Only keys with several rows can be shared, and of
  several rows one at most is accepted.
#}
{% macro note_entangled() %}
    {%- set statement -%}
        create or replace table {{ increment_table('entangled_now') }} as
        {%- for entity in refreshed_entities() if 'account_id' not in crm_entity(entity).key %}
        {%- set keys = crm_entity(entity).key %}
        select account_id
        from (
            select
                account_id,
                min(account_id) over (partition by {{ keys | join(', ') }}) as first_account,
                max(account_id) over (partition by {{ keys | join(', ') }}) as last_account
            from (
                select {{ keys | join(', ') }}, source_account_id as account_id from {{ built_relation('validated_' ~ entity) }}
                union all
                select {{ keys | join(', ') }}, account_id from {{ increment_table('new_' ~ entity) }}
            ) as held
            where
                account_id is not null
                and ({{ keys | join(', ') }}) in (
                    select {{ keys | join(', ') }}
                    from {{ built_relation('validated_' ~ entity) }}
                    where disposition <> 'accepted'
                    union
                    select {{ keys | join(', ') }} from {{ increment_table('new_' ~ entity) }}
                )
        ) as shared
        where first_account <> last_account
        union
        {%- endfor %}
        select account_id from {{ increment_table('entangled') }}
    {%- endset -%}
    {%- do run_query(statement) -%}
{% endmacro %}

{% macro touched_sources_sql() -%}
    with changed_parents as (
        select kind, parent_id, source_account_id, account_id from {{ changed_parents() }} as changed
    ),

    changed_contacts as (
        select distinct parent_id as contact_id from changed_parents where kind = 'contact'
    ),

    found as (
        select coalesce(source_account_id, '') as account_id from changed_parents where kind in ('account', 'contact')
        {%- for entity in refreshed_entities() %}
        union
        select coalesce(account_id, '') as account_id from {{ increment_table('new_' ~ entity) }}
        {%- if 'contacts' in crm_entity(entity).parents.values() %}
        union
        select coalesce(held.source_account_id, '') as account_id
        from {{ built_relation('validated_' ~ entity) }} as held
        inner join changed_contacts on held.contact_id = changed_contacts.contact_id
        {%- endif %}
        {%- endfor %}
        union
        select account_id from {{ increment_table('pending') }} where touched = 'sources'
    )

    select account_id from found
    union
    select account_id from {{ increment_table('entangled_now') }}
    where exists (select 1 from found inner join {{ increment_table('entangled_now') }} as shared on found.account_id = shared.account_id)
{%- endmacro %}

{# After a relation of touched accounts is built: should the build not end well, the next one touches these as well. #}
{% macro keep_touched(touched) %}
    {%- if is_building() -%}
        insert into {{ increment_table('pending') }}
        select '{{ touched }}', account_id from {{ this }}
    {%- endif -%}
{% endmacro %}

{#
  The query of a relation of accounts touched under the name their rows count for, made from an earlier one. `relations` are those,
  built in full, whose rows models by account read account by account; `globals` those that they read as a whole: when one of
  these changes, all accounts are touched.
#}
{% macro touched_accounts(step, earlier, relations, globals) %}
    {%- if not is_building() or model.resource_type != 'model' -%}
        {{ return("select cast(null as " ~ dbt.type_string() ~ ") as account_id from (select 1 as nothing) as nothing where 1 = 0") }}
    {%- endif -%}
    {%- do note_accounts(step, relations, globals) -%}
    {%- if run_query("select 1 from " ~ earlier ~ " where account_id = '*'") | length > 0 -%}
        {{ return("select '*' as account_id") }}
    {%- endif -%}
    {%- set changed = run_query(
        'select distinct relation from ' ~ changed_fingerprints(step) ~ ' as changed where account_id is null order by relation'
    ).columns[0].values() | list -%}
    {%- if changed -%}
        {%- do log('Of all accounts anew what hangs on ' ~ changed | join(', ') ~ ', which changed.', info=true) -%}
        {{ return("select '*' as account_id") }}
    {%- endif -%}
    {%- set statement -%}
    with parents as (
        select kind, parent_id, source_account_id, account_id from {{ increment_table('parents') }}
        union
        select kind, parent_id, source_account_id, account_id from {{ increment_table('parents_now') }}
    ),

    found as (
        {%- if earlier.identifier == 'int_touched_sources' %}
        {{ touched_survivors(earlier) }}
        {%- else %}
        select account_id from {{ earlier }}
        {%- endif %}
        union
        select account_id from {{ changed_fingerprints(step) }} as changed
        union
        select account_id from {{ increment_table('pending') }} where touched = '{{ step }}'
    ),

    entangled as (
        select account_id from {{ increment_table('entangled_now') }}
        union
        select parents.account_id
        from {{ increment_table('entangled_now') }} as shared
        inner join parents on parents.kind = 'account' and shared.account_id = parents.source_account_id
    )

    select account_id from found
    union
    select account_id from entangled
    where exists (select 1 from found inner join entangled as shared on found.account_id = shared.account_id)
    {%- endset -%}
    {{ return(statement) }}
{% endmacro %}

{# Whom the rows of touched accounts count for, before and now; and the accounts of contacts that hold other roles. #}
{% macro touched_survivors(sources) -%}
    select account_id from {{ sources }}
    union
    select parents.account_id
    from {{ sources }} as sources
    inner join parents on parents.kind = 'account' and sources.account_id = parents.source_account_id
    union
    select parents.account_id
    from {{ changed_parents() }} as changed
    inner join parents on parents.kind = 'contact' and changed.parent_id = parents.parent_id
    where changed.kind in ('contact', 'role')
{%- endmacro %}

{# A fingerprint of the rows of each account in each relation, and one of each global relation, under no account. #}
{% macro note_accounts(step, relations, globals) %}
    {%- set queries = [] -%}
    {%- for relation in relations + globals -%}
        {%- set query -%}
            select
                '{{ relation.identifier }}' as relation,
                {{ 'account_id' if relation in relations else 'cast(null as string) as account_id' }},
                {{ fingerprint_of_rows(columns_of(relation)) }} as fingerprint
            from {{ relation }}
            {{ 'where account_id is not null group by account_id' if relation in relations }}
        {%- endset -%}
        {%- do queries.append(query) -%}
    {%- endfor -%}
    {%- do run_query('create or replace table ' ~ increment_table(step ~ '_now') ~ ' as ' ~ queries | join(' union all ')) -%}
{% endmacro %}

{# What the relations say of whom that they did not, and the other way round. #}
{% macro changed_fingerprints(step) -%}
    (
        (select * from {{ increment_table(step ~ '_now') }} except select * from {{ increment_table(step) }})
        union
        (select * from {{ increment_table(step) }} except select * from {{ increment_table(step ~ '_now') }})
    )
{%- endmacro %}
