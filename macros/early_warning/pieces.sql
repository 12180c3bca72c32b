{#
  Building blocks for the pieces of signals: what holds of an account from one day to the next. A row that was used, opened or
  answered on a day counts from `known_from` (the day after it at the earliest) to `known_to`; intervals are half-open.
  All of them work on rows per account and day, sorted once: nothing is joined by date.
#}

{# Per key the days covered by at least one of its intervals [from_date, to_date): what overlaps or touches becomes one. #}
{% macro merged_intervals(relation, keys) -%}
    select
        {{ keys | join(', ') }},
        min(from_date) as from_date,
        max(to_date) as to_date
    from (
        select
            *,
            sum(case when from_date <= covered_to then 0 else 1 end) over (
                partition by {{ keys | join(', ') }}
                order by from_date, to_date
                rows between unbounded preceding and current row
            ) as interval_number
        from (
            select
                *,
                max(to_date) over (
                    partition by {{ keys | join(', ') }}
                    order by from_date, to_date
                    rows between unbounded preceding and 1 preceding
                ) as covered_to
            from {{ relation }}
            where from_date < to_date
        ) as reached
    ) as numbered
    group by {{ keys | join(', ') }}, interval_number
{%- endmacro %}

{#
  Per key and day on which anything changes (valid_from): the sum of each amount over the intervals [from_date, to_date) that cover
  it. Every row adds its amounts where it begins and takes them away where it ends.
#}
{% macro running_totals(relation, keys, amounts) -%}
    select
        {{ keys | join(', ') }},
        valid_from,
        {%- for amount in amounts %}
        sum({{ amount }}) over (
            partition by {{ keys | join(', ') }} order by valid_from rows between unbounded preceding and current row
        ) as {{ amount }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        select
            {{ keys | join(', ') }},
            valid_from,
            {%- for amount in amounts %}
            sum({{ amount }}) as {{ amount }}{{ ',' if not loop.last }}
            {%- endfor %}
        from (
            select
                {{ keys | join(', ') }},
                from_date as valid_from,
                {{ amounts | join(', ') }}
            from {{ relation }}
            where from_date < to_date
            union all
            select
                {{ keys | join(', ') }},
                to_date as valid_from,
                {%- for amount in amounts %}
                -{{ amount }} as {{ amount }}{{ ',' if not loop.last }}
                {%- endfor %}
            from {{ relation }}
            where from_date < to_date and to_date < {{ open_end() }}
        ) as changes
        group by {{ keys | join(', ') }}, valid_from
    ) as changed
{%- endmacro %}

{#
  CTEs that end in `name`: per key and day on which anything may change (valid_from) the last day on which something happened, as
  known then, and as known just before (last_day, last_day_before; null: none). `relation` has intervals in which a day was known;
  they may overlap.
  What stays known needs no search: the last day is the largest so far, whatever else is known of it. Only days of which something
  ended are followed one by one, from `name`_ended to `name`_states: what another row continued is no change, and what was taken
  back is looked up.
  `starts` names a relation of days (valid_from) on which something else begins, which the columns `carried` say: from each on the
  largest so far holds, and is given with what held just before (..._before).
  `is_counted` gives known_days too, on how many days it happened as known then.
#}
{% macro last_known_day_steps(name, relation, keys, day, starts=none, carried=[], is_counted=false) -%}
{%- set key_list = keys | join(', ') -%}
{%- set nothing -%}
    {%- for column in carried %},
        cast(null as date) as {{ column }}
    {%- endfor -%}
{%- endset -%}
{{ name }}_ended as (
    select
        {% for key in keys -%}
        known.{{ key }},
        {% endfor -%}
        known.{{ day }},
        known.from_date,
        known.to_date
    from {{ relation }} as known
    inner join (
        select distinct
            {{ key_list }},
            {{ day }}
        from {{ relation }}
        where from_date < to_date and to_date < {{ open_end() }}
    ) as ended
        on
            {% for key in keys -%}
            known.{{ key }} = ended.{{ key }}
            and {% endfor -%}
            known.{{ day }} = ended.{{ day }}
),

{{ name }}_merged as (
    {{ merged_intervals(name ~ '_ended', keys + [day]) }}
),

{{ name }}_taken_back as (
    select * from {{ name }}_merged
    where to_date < {{ open_end() }}
),

{{ name }}_changes as (
    select
        {{ key_list }},
        from_date as valid_from,
        1 as known_days
    from {{ name }}_taken_back
    union all
    select
        {{ key_list }},
        to_date as valid_from,
        -1 as known_days
    from {{ name }}_taken_back
),

-- the last of the days that were taken back later
{{ name }}_found as (
    select
        {% for key in keys -%}
        changes.{{ key }},
        {% endfor -%}
        changes.valid_from,
        max(taken_back.{{ day }}) as taken_day
    from (
        select distinct
            {{ key_list }},
            valid_from
        from {{ name }}_changes
    ) as changes
    left join {{ name }}_taken_back as taken_back
        on
            {% for key in keys -%}
            changes.{{ key }} = taken_back.{{ key }}
            and {% endfor -%}
            changes.valid_from >= taken_back.from_date
            and changes.valid_from < taken_back.to_date
    group by {% for key in keys %}changes.{{ key }}, {% endfor %}changes.valid_from
),

{{ name }}_states as (
    select
        *,
        lag(taken_day) over (partition by {{ key_list }} order by valid_from) as taken_day_before,
        coalesce(lead(valid_from) over (partition by {{ key_list }} order by valid_from), {{ open_end() }}) as valid_to
    from {{ name }}_found
),

{{ name }}_lasting as (
    select
        {{ key_list }},
        {{ day }},
        from_date
    from {{ relation }}
    where from_date < to_date and to_date = {{ open_end() }}
    union all
    select
        {{ key_list }},
        {{ day }},
        from_date
    from {{ name }}_merged
    where to_date = {{ open_end() }}
),

{{ name }}_points as (
    select
        {{ key_list }},
        {{ 'min(from_date)' if is_counted else 'from_date' }} as valid_from,
        {%- if is_counted %}
        1 as known_days,
        {%- endif %}
        {{ day }} as lasting_day
        {{- nothing }}
    from {{ name }}_lasting
    {%- if is_counted %}
    group by {{ key_list }}, {{ day }}
    {%- endif %}
    union all
    select
        {{ key_list }},
        valid_from,
        {%- if is_counted %}
        known_days,
        {%- endif %}
        cast(null as date) as lasting_day
        {{- nothing }}
    from {{ name }}_changes
    {%- if starts %}
    union all
    select
        {{ key_list }},
        valid_from,
        {%- if is_counted %}
        0 as known_days,
        {%- endif %}
        cast(null as date) as lasting_day
        {%- for column in carried %},
        {{ column }}
        {%- endfor %}
    from {{ starts }}
    {%- endif %}
),

{{ name }}_days as (
    select
        {{ key_list }},
        valid_from,
        {%- if is_counted %}
        sum(known_days) as known_days,
        {%- endif %}
        {%- for column in carried %}
        max({{ column }}) as {{ column }},
        {%- endfor %}
        max(lasting_day) as lasting_day
    from {{ name }}_points
    group by {{ key_list }}, valid_from
),

{{ name }}_followed as (
    select
        {{ key_list }},
        valid_from,
        {%- if is_counted %}
        sum(known_days) over (
            partition by {{ key_list }} order by valid_from rows between unbounded preceding and current row
        ) as known_days,
        {%- endif %}
        {%- for column in carried + ['lasting_day'] %}
        {{ column }},
        max({{ column }}) over (
            partition by {{ key_list }} order by valid_from rows between unbounded preceding and 1 preceding
        ) as {{ column }}_before{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ name }}_days
),

{{ name }} as (
    select
        {% for key in keys -%}
        followed.{{ key }},
        {% endfor -%}
        followed.valid_from,
        {%- if is_counted %}
        followed.known_days,
        {%- endif %}
        {%- for column in carried %}
        greatest(followed.{{ column }}, followed.{{ column }}_before) as {{ column }},
        followed.{{ column }}_before,
        {%- endfor %}
        greatest(followed.lasting_day, followed.lasting_day_before, states.taken_day) as last_day,
        greatest(
            followed.lasting_day_before,
            case when states.valid_from = followed.valid_from then states.taken_day_before else states.taken_day end
        ) as last_day_before
    from {{ name }}_followed as followed
    left join {{ name }}_states as states  -- at most one
        on
            {% for key in keys -%}
            followed.{{ key }} = states.{{ key }}
            and {% endfor -%}
            followed.valid_from >= states.valid_from
            and followed.valid_from < states.valid_to
)
{%- endmacro %}

{# A text as a JSON string, quotation marks and all. #}
{% macro json_string(text) -%}
    {%- set row -%} {{ json_row({'k': text}) }} {%- endset -%}
    substring({{ row }}, 6, length({{ row }}) - 6)
{%- endmacro %}
