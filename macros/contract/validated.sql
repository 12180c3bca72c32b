{# The moment something dated by a column became knowable, in UTC; dates count from local midnight. #}
{% macro crm_event_moment(spec) %}
    {%- set column = spec.columns[spec.event_time] -%}
    {%- set midnight = 'cast(' ~ spec.event_time ~ ' as timestamp)' -%}
    {{ return(local_to_utc(midnight) if column.type == 'date' else spec.event_time) }}
{% endmacro %}

{% macro crm_known_at(spec) -%}
    {%- if not spec.get('event_time') -%}
        coalesce(recorded_at, timestamp '1900-01-01 00:00:00')
    {%- else -%}
        coalesce(
            recorded_at,
            {{ crm_event_moment(spec) }}{{ " - interval '1' second" if spec.knowledge == 'before' }},
            timestamp '1900-01-01 00:00:00'
        )
    {%- endif -%}
{%- endmacro %}

{#
  The checks a row can fail by itself: [{test, code}] in the order in which the codes are listed. A test is true, false
  or null (null does not fail). Of a value that parsing made null it is asked what it was only then.
#}
{% macro crm_row_checks(spec) %}
    {%- set missing = [] -%}
    {%- set unparsable = [] -%}
    {%- set others = [] -%}
    {%- set key_tests = [] -%}
    {%- for name, column in spec.input_columns.items() -%}
        {%- set is_blank = "(raw_" ~ name ~ " is null or trim(cast(raw_" ~ name ~ " as string)) = '')" -%}
        {%- set is_missing = name ~ ' is null' -%}
        {%- if column.type != 'text' -%}
            {%- set is_missing = '(' ~ is_missing ~ ' and ' ~ is_blank ~ ')' -%}
        {%- endif -%}
        {%- if name in spec.key and not column.get('nullable') -%}
            {%- do key_tests.append(is_missing) -%}
        {%- elif column.get('required') -%}
            {%- do missing.append({'test': is_missing, 'code': 'missing_value:' ~ name}) -%}
        {%- endif -%}
        {%- if column.type != 'text' -%}
            {%- do unparsable.append({
                'test': '(' ~ name ~ ' is null and not ' ~ is_blank ~ ')', 'code': 'unparsable:' ~ name}) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set texts = spec.text_columns + ['source_system'] -%}
    {%- do others.append({
        'test': has_broken_text(texts[0] if texts | length == 1 else "concat_ws(' ', " ~ texts | join(', ') ~ ')'),
        'code': 'broken_encoding'}) -%}
    {%- for name in texts -%}
        {%- set usual = 255 if name in spec.key or name[-3:] == '_id' else 1000 -%}
        {%- set limit = spec.input_columns[name].get('max_length', usual) -%}
        {%- do others.append({'test': 'length(' ~ name ~ ') > ' ~ limit, 'code': 'over_long:' ~ name}) -%}
    {%- endfor -%}
    {%- for name, column in spec.columns.items() if column.get('values') -%}
        {%- do others.append({
            'test': name ~ " not in ('" ~ column['values'] | join("', '") ~ "')", 'code': 'not_in_list:' ~ name}) -%}
    {%- endfor -%}
    {%- set currency_tests = [] -%}
    {%- for name, column in spec.columns.items() if column.get('currency') -%}
        {%- do currency_tests.append(name ~ " not in ('" ~ iso_currencies() | join("', '") ~ "')") -%}
    {%- endfor -%}
    {%- if currency_tests -%}
        {%- do others.append({'test': '(' ~ currency_tests | join(' or ') ~ ')', 'code': 'unknown_currency'}) -%}
    {%- endif -%}
    {%- for name, column in spec.columns.items() if column.get('non_negative') -%}
        {%- do others.append({'test': name ~ ' < 0', 'code': 'negative:' ~ name}) -%}
    {%- endfor -%}
    {%- for name, column in spec.columns.items() if column.get('positive') -%}
        {%- do others.append({'test': name ~ ' <= 0', 'code': 'not_positive:' ~ name}) -%}
    {%- endfor -%}
    {%- for pair in spec.get('order', []) -%}
        {%- do others.append({
            'test': pair[0] ~ ' > ' ~ pair[1], 'code': 'impossible_date_order:' ~ pair[0] ~ '/' ~ pair[1]}) -%}
    {%- endfor -%}
    {%- if spec.get('knowledge') == 'event' -%}
        {%- do others.append({
            'test': crm_event_moment(spec) ~ " > recorded_at + interval '1' day", 'code': 'event_after_recorded'}) -%}
    {%- endif -%}
    {%- set missing_key = {'test': '(' ~ key_tests | join(' or ') ~ ')', 'code': 'missing_key'} -%}
    {{ return([missing_key] + missing + unparsable + others) }}
{% endmacro %}

{#
  What became of every account or contact: accepted, deleted, not_yet_known or (only) quarantined; and whom an
  account's rows count for.
#}
{% macro crm_parent_states(parent) -%}
    {%- set key = 'source_account_id' if parent == 'accounts' else 'contact_id' -%}
    select
        {{ key }} as parent_id,
        {%- if parent == 'accounts' %}
        max(account_id) as surviving_id,
        {%- endif %}
        max(case when is_test_account then 1 else 0 end) = 1 as is_test_account,
        case
            when max(case when disposition = 'accepted' then 1 else 0 end) = 1 then 'accepted'
            when max(case when disposition = 'superseded' then 1 else 0 end) = 1 then 'deleted'
            when max(case when disposition = 'not_yet_known' then 1 else 0 end) = 1 then 'not_yet_known'
            else 'quarantined'
        end as parent_state
    from {{ ref('validated_' ~ parent) }}
    where {{ key }} is not null
    group by {{ key }}
{%- endmacro %}

{#
  Every row of an entity that was read, parsed, with its reasons and its disposition. The order of judgement:
    1. a row that is invalid by itself, or whose account or contact is, is quarantined and out of the contest;
    2. a row not known before the as-of moment (or whose account is not) is not_yet_known;
    3. of rows with the same key and the same known_at one is kept, the copies are quarantined as duplicate, rows with
       other content as conflicting_duplicate (kept: the first by all columns in the order of the contract);
    4. the newest row is accepted, older ones are superseded; a newest row that says is_deleted is superseded as well.
  Entities with volume are brought up to date by account: a row is judged beside those of its key, its account and its contact.
#}
{% macro validated(entity) %}
{%- set spec = crm_entity(entity) -%}
{%- set checks = crm_row_checks(spec) -%}
{%- set raw_fields = {} -%}
{%- for name in spec.input_columns -%}{%- do raw_fields.update({name: 'raw_' ~ name}) -%}{%- endfor -%}
{%- set keys = spec.key | join(', ') -%}
{%- set content = [] -%}
{%- for name in spec.columns -%}{%- do content.append(name ~ ' asc nulls last') -%}{%- endfor -%}
{%- do content.append('is_deleted asc nulls last') -%}
{% if entity in by_account_entities() -%}
    {{ by_account('int_touched_sources', account='source_account_id') }}
{%- endif -%}
-- depends_on: {{ ref('reader_rejects') }} (so that the gate on this table, which reads both, holds up all below)
with
{%- for column, parent in spec.parents.items() %}

parent_{{ parent }} as (
    {{ crm_parent_states(parent) }}
),
{%- endfor %}
{%- if spec.parents.values() | reject('equalto', 'accounts') | list %}

inputs as (
    select * from {{ ref('stg_crm__inputs') }}
),
{%- endif %}

source as {{ streamed_input(entity) }} (
    select
        {%- for name in spec.input_columns %}
        {{ name }} as raw_{{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    {%- if entity in by_account_entities() %}
    from {{ touched_rows(
        ref('stg_crm__' ~ entity), 'coalesce(' ~ parse_value('text', 'account_id') ~ ", '')"
    ) }}
    {%- else %}
    from {{ ref('stg_crm__' ~ entity) }}
    {%- endif %}
),

parsed as (
    select
        {%- for name, column in spec.input_columns.items() %}
        {{ parse_value(column.type, 'raw_' ~ name, column.get('currency', false)) }} as {{ name }},
        {%- endfor %}
        {%- for name in spec.input_columns %}
        raw_{{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from source
),

-- Read several times below; streamed each time, as storing it would cost more than parsing it again.
keyed as {{ streamed_cte() }} (
    select
        parsed.*,
        {{ row_fingerprint(spec.key) }} as key_fingerprint
    from parsed
),

-- Only keys that occur more than once need a contest: a fingerprint finds them without a window over all rows.
repeated as (
    select key_fingerprint
    from keyed
    group by key_fingerprint
    having count(*) > {{ 0 if entity == 'accounts' else 1 }}
),

-- told before anything is checked, so that a reading of the ones does not check the others
checked as {{ streamed_cte() }} (
    select
        keyed.*,
        repeated.key_fingerprint is not null as is_repeated,
        {{ crm_known_at(spec) }} as known_at,
        case
            when
                {%- for check in checks %}
                {{ 'or ' if not loop.first }}{{ check.test }}
                {%- endfor %}
                then nullif(concat_ws(
                    ',',
                    {%- for check in checks %}
                    case when {{ check.test }} then '{{ check.code }}' end{{ ',' if not loop.last }}
                    {%- endfor %}
                ), '')
        end as row_reasons
    from keyed
    left join repeated on keyed.key_fingerprint = repeated.key_fingerprint
),

judged as {{ streamed_cte() }} (
    select
        checked.*,
        {%- if spec.parents %}
        nullif(concat_ws(
            ',',
            checked.row_reasons
            {%- for column, parent in spec.parents.items() %},
            case
                when checked.{{ column }} is null then null
                when parent_{{ parent }}.parent_id is null
                    {%- if parent != 'accounts' %}
                    -- nobody can be unknown to an entity that was not supplied
                    and (select is_supplied from inputs where entity = '{{ parent }}')
                    {%- endif %}
                    then 'unknown_{{ parent[:-1] }}'
                when parent_{{ parent }}.parent_state = 'deleted' then 'parent_deleted'
                when parent_{{ parent }}.parent_state = 'quarantined' then 'parent_quarantined'
            end
            {%- endfor %}
        ), '') as own_reasons,
        {%- else %}
        checked.row_reasons as own_reasons,
        {%- endif %}
        (
            checked.known_at >= {{ as_of_moment() }}
            {%- for column, parent in spec.parents.items() %}
            or coalesce(parent_{{ parent }}.parent_state, '') = 'not_yet_known'
            {%- endfor %}
        ) as is_not_yet_known,
        {% if 'accounts' in spec.parents.values() -%}
        coalesce(parent_accounts.surviving_id, checked.account_id)
        {%- elif spec.has_account -%}
        checked.account_id
        {%- else -%}
        cast(null as string)
        {%- endif %} as surviving_account_id,
        {% if entity == 'accounts' -%}
        coalesce(checked.is_test, false)
        {%- elif spec.parents -%}
        (
            {%- for column, parent in spec.parents.items() %}
            {{- ' or ' if not loop.first }}coalesce(parent_{{ parent }}.is_test_account, false)
            {%- endfor -%}
        )
        {%- else -%}
        false
        {%- endif %} as is_test_account
    from checked
    {%- for column, parent in spec.parents.items() %}
    left join parent_{{ parent }} on checked.{{ column }} = parent_{{ parent }}.parent_id
    {%- endfor %}
),

entrants as (
    select
        judged.*,
        (judged.own_reasons is null and not judged.is_not_yet_known) as is_entrant,
        {{ json_row(raw_fields) }} as raw_text
    from judged
    where judged.is_repeated
),

contested as (
    select
        entrants.*,
        row_number() over (
            partition by {{ keys }}, known_at, is_entrant
            order by {{ content | join(', ') }}, source_system asc nulls last, raw_text asc nulls last
        ) as copy_number,
        dense_rank() over (
            partition by {{ keys }}, known_at, is_entrant order by {{ content | join(', ') }}
        ) as content_number,
        max(case when is_entrant then known_at end) over (partition by {{ keys }}) as newest_known_at
    from entrants
),
{% if entity == 'accounts' %}
{{ crm_account_merges() }}
{%- else %}
settled as (
    select
        {{ crm_settled_columns(spec, 'contested') }},
        case
            when own_reasons is not null then own_reasons
            when is_not_yet_known or copy_number = 1 then null
            when content_number = 1 then 'duplicate'
            else 'conflicting_duplicate'
        end as reasons,
        case
            when own_reasons is not null then 'quarantined'
            when is_not_yet_known then 'not_yet_known'
            when copy_number > 1 then 'quarantined'
            when known_at < newest_known_at or coalesce(is_deleted, false) then 'superseded'
            else 'accepted'
        end as disposition
    from contested

    union all

    select
        {{ crm_settled_columns(spec, 'judged') }},
        judged.own_reasons as reasons,
        case
            when judged.own_reasons is not null then 'quarantined'
            when judged.is_not_yet_known then 'not_yet_known'
            when coalesce(judged.is_deleted, false) then 'superseded'
            else 'accepted'
        end as disposition
    from judged
    where not judged.is_repeated
),
{% endif %}
final as (
    select
        {%- for name in spec.columns %}
        {{ 'surviving_account_id as account_id' if name == 'account_id' else name }},
        {%- endfor %}
        {%- if spec.has_account %}
        account_id as source_account_id,
        {%- endif %}
        source_system,
        known_at,
        coalesce(is_deleted, false) as is_deleted,
        is_test_account,
        disposition,
        reasons,
        case when disposition = 'quarantined' then {{ json_row(raw_fields) }} end as raw_row
    from settled
)

select * from final
{%- endmacro %}

{# The columns of a row that both halves of the judgement hand on. #}
{% macro crm_settled_columns(spec, relation) -%}
    {%- for name in spec.input_columns %}
        {{ relation }}.{{ name }},
        {{ relation }}.raw_{{ name }},
    {%- endfor %}
        {{ relation }}.known_at,
        {{ relation }}.surviving_account_id,
        {{ relation }}.is_test_account
{%- endmacro %}
