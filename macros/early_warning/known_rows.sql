{#
  Every row of an entity that ever counted, with the days on which it did: `known_from` is the first day that saw it, `known_to`
  the first that saw a correction or deletion of it. What holds on a day g may read the rows with known_from <= g < known_to
  alone, and of a time column (resolved_at, paid_on ...) only what lies before g; then no later row changes it.
  The conformed tables cannot serve here: they hold the newest version as of the build's own date.
#}
{% macro known_rows(entity) -%}
    {%- set spec = crm_entity(entity) -%}
    {%- set columns = spec.columns.keys() | list -%}
    {#- rows of a merged account count for another, but were corrected under their own key -#}
    {%- set keys = [] -%}
    {%- for name in spec.key -%}{%- do keys.append('source_account_id' if name == 'account_id' else name) -%}{%- endfor %}
    select
        {%- for name in columns %}
        {{ name }},
        {%- endfor %}
        {{ known_from_day('known_at') }} as known_from,
        {{ open_end() }} as known_to
    from {{ ref('validated_' ~ entity) }}
    where
        disposition = 'accepted'
        and not is_test_account
        {%- if spec.get('of_survivor') %}
        and source_account_id = account_id
        {%- endif %}
    union all
    select
        {%- for name in columns %}
        {{ name }},
        {%- endfor %}
        {{ known_from_day('known_at') }} as known_from,
        {{ known_from_day('superseded_at') }} as known_to
    from (
        select
            versions.*,
            lead(versions.known_at) over (
                partition by {% for name in keys %}versions.{{ name }}{{ ', ' if not loop.last }}{% endfor %}
                order by versions.known_at
            ) as superseded_at
        from {{ ref('validated_' ~ entity) }} as versions
        -- only a key that was corrected or deleted has a row of this kind
        inner join (
            select {{ keys | join(', ') }}
            from {{ ref('validated_' ~ entity) }}
            where disposition = 'superseded'
            group by {{ keys | join(', ') }}
        ) as corrected
            on
                {% for name in keys -%}
                versions.{{ name }} is not distinct from corrected.{{ name }}{{ ' and ' if not loop.last }}
                {%- endfor %}
        where versions.disposition in ('accepted', 'superseded')
    ) as followed
    where
        disposition = 'superseded'
        and not is_deleted
        and not is_test_account
        and superseded_at is not null
        {%- if spec.get('of_survivor') %}
        and source_account_id = account_id
        {%- endif %}
{%- endmacro %}

{# The first day whose 00:00 lies after a moment: the first that may know of it. #}
{% macro known_from_day(moment) -%} {{ add_days(local_day(moment), 1) }} {%- endmacro %}
