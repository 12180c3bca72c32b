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
  Per key and day on which anything changes (valid_from): the last day on which something happened, as known then, and on how
  many days it did (0 days: the last day is null). `relation` has one row per key, day and interval in which the day was known,
  without overlaps (merged_intervals). Days that stay known need no search: the last is the largest so far. Only what was taken
  back later is looked up.
#}
{% macro last_known_days(relation, keys, day) -%}
    select
        {% for key in keys -%}
        points.{{ key }},
        {% endfor -%}
        points.valid_from,
        points.known_days,
        case
            when max(taken_back.{{ day }}) > points.lasting_day or points.lasting_day is null then max(taken_back.{{ day }})
            else points.lasting_day
        end as last_day
    from (
        select
            {{ keys | join(', ') }},
            valid_from,
            sum(known_days) over (
                partition by {{ keys | join(', ') }} order by valid_from rows between unbounded preceding and current row
            ) as known_days,
            max(lasting_day) over (
                partition by {{ keys | join(', ') }} order by valid_from rows between unbounded preceding and current row
            ) as lasting_day
        from (
            select
                {{ keys | join(', ') }},
                valid_from,
                sum(known_days) as known_days,
                max(lasting_day) as lasting_day
            from (
                select
                    {{ keys | join(', ') }},
                    from_date as valid_from,
                    1 as known_days,
                    case when to_date = {{ open_end() }} then {{ day }} end as lasting_day
                from {{ relation }}
                union all
                select
                    {{ keys | join(', ') }},
                    to_date as valid_from,
                    -1 as known_days,
                    cast(null as date) as lasting_day
                from {{ relation }}
                where to_date < {{ open_end() }}
            ) as changes
            group by {{ keys | join(', ') }}, valid_from
        ) as changed
    ) as points
    left join (
        select * from {{ relation }}
        where to_date < {{ open_end() }}
    ) as taken_back
        on
            {% for key in keys -%}
            points.{{ key }} = taken_back.{{ key }}
            and {% endfor -%}
            points.valid_from >= taken_back.from_date
            and points.valid_from < taken_back.to_date
    group by {% for key in keys %}points.{{ key }}, {% endfor %}points.valid_from, points.known_days, points.lasting_day
{%- endmacro %}

{# A text as a JSON string, quotation marks and all. #}
{% macro json_string(text) -%}
    {%- set row -%} {{ json_row({'k': text}) }} {%- endset -%}
    substring({{ row }}, 6, length({{ row }}) - 6)
{%- endmacro %}
