{#
  Every row of an entity that ever counted, with the days on which it did: `known_from` is the first day that saw it, `known_to`
  the first that saw a correction or deletion of it. What holds on a day g may read the rows with known_from <= g < known_to
  alone, and of a time column (resolved_at, paid_on ...) only what lies before g; then no later row changes it.
  A row is known no sooner than its account and its contact are, and no longer than its contact is there.
  The conformed tables cannot serve here: they hold the newest version as of the build's own date.
  In a model by account, of an entity that is validated by account, the rows of the touched accounts.
#}
{% macro known_rows(entity) -%}
    {%- set spec = crm_entity(entity) -%}
    {%- set validated = ref('validated_' ~ entity) -%}
    {%- if entity in by_account_entities() -%}{%- set validated = touched_rows(validated) -%}{%- endif -%}
    {#- rows of a merged account count for another, but were corrected under their own key -#}
    {%- set keys = [] -%}
    {%- for name in spec.key -%}{%- do keys.append('source_account_id' if name == 'account_id' else name) -%}{%- endfor -%}
    {%- set parents = spec.parents.values() | list %}
    {%- set counted -%}
        {%- if 'contacts' in parents -%}
        (disposition in ('accepted', 'superseded') or (disposition = 'quarantined' and reasons = 'parent_deleted'))
        {%- else -%}
        disposition in ('accepted', 'superseded')
        {%- endif -%}
    {%- endset %}
    select
        {%- for name in spec.columns %}
        versions.{{ name }},
        {%- endfor %}
        {%- if 'accounts' in parents and 'contacts' in parents %}
        greatest(
            versions.known_from,
            coalesce(parent_accounts.known_from, versions.known_from),
            coalesce(parent_contacts.known_from, versions.known_from)
        )
        {%- elif parents %}
        greatest(versions.known_from, coalesce(parent_{{ parents[0] }}.known_from, versions.known_from))
        {%- else %}
        versions.known_from
        {%- endif %} as known_from,
        {% if 'contacts' in parents -%}
        least(versions.known_to, coalesce(parent_contacts.known_to, versions.known_to))
        {%- else -%}
        versions.known_to
        {%- endif %} as known_to
    from (
        select
            {%- for name in spec.columns %}
            {{ name }},
            {%- endfor %}
            {%- if spec.has_account %}
            source_account_id,
            {%- endif %}
            {{ known_from_day('known_at') }} as known_from,
            {{ open_end() }} as known_to
        from {{ validated }}
        where
            disposition = 'accepted'
            and not is_test_account
            {%- if spec.get('of_survivor') %}
            and source_account_id = account_id
            {%- endif %}
        union all
        select
            {%- for name in spec.columns %}
            {{ name }},
            {%- endfor %}
            {%- if spec.has_account %}
            source_account_id,
            {%- endif %}
            {{ known_from_day('known_at') }} as known_from,
            coalesce({{ known_from_day('superseded_at') }}, {{ open_end() }}) as known_to
        from (
            select
                followed.*,
                lead(followed.known_at) over (
                    partition by {% for name in keys %}followed.{{ name }}{{ ', ' if not loop.last }}{% endfor %}
                    order by followed.known_at
                ) as superseded_at
            from {{ validated }} as followed
            -- only a key that was corrected or deleted, or whose contact was, has a row of this kind
            inner join (
                select {{ keys | join(', ') }}
                from {{ validated }}
                where disposition <> 'accepted' and {{ counted }}
                group by {{ keys | join(', ') }}
            ) as corrected
                on
                    {% for name in keys -%}
                    followed.{{ name }} is not distinct from corrected.{{ name }}{{ ' and ' if not loop.last }}
                    {%- endfor %}
            where {{ counted }}
        ) as corrections
        where
            disposition <> 'accepted'
            and (disposition <> 'superseded' or superseded_at is not null)
            and not is_deleted
            and not is_test_account
            {%- if spec.get('of_survivor') %}
            and source_account_id = account_id
            {%- endif %}
    ) as versions
    {%- for column, parent in spec.parents.items() %}
    left join (
        {{ known_parents(parent) }}
    ) as parent_{{ parent }}  -- at most one
        on versions.{{ 'source_account_id' if column == 'account_id' else column }} = parent_{{ parent }}.parent_id
    {%- endfor %}
{%- endmacro %}

{# From when to when an account or a contact was known: it was not before its first row, nor after its deletion. #}
{% macro known_parents(parent) -%}
    select
        {{ 'source_account_id' if parent == 'accounts' else 'contact_id' }} as parent_id,
        min({{ known_from_day('known_at') }}) as known_from,
        case
            when max(case when is_deleted then known_at end) = max(known_at) then {{ known_from_day('max(known_at)') }}
            else {{ open_end() }}
        end as known_to
    from {{ ref('validated_' ~ parent) }}
    where disposition in ('accepted', 'superseded')
    group by {{ 'source_account_id' if parent == 'accounts' else 'contact_id' }}
{%- endmacro %}

{# The first day whose 00:00 lies after a moment: the first that may know of it. #}
{% macro known_from_day(moment) -%} {{ add_days(local_day(moment), 1) }} {%- endmacro %}
