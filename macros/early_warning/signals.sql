{# The families of signals: each has a model int_signals_<family>. #}
{% macro signal_families() %}
    {{ return(['usage', 'tickets', 'people', 'satisfaction', 'engagement', 'contract', 'onboarding']) }}
{% endmacro %}

{# The first grid day on or after a day (var alert_grid: days between grid days, counted from a Monday). #}
{% macro grid_day(day) -%}
    {%- set step = var('alert_grid') | int -%}
    {%- if step == 1 -%}
    {{ day }}
    {%- else -%}
    {%- set past -%} {{ days_between("cast('2000-01-03' as date)", day) }} {%- endset -%}
    {{ add_days(day, '(' ~ step ~ ' - mod(' ~ past ~ ', ' ~ step ~ ')) % ' ~ step) }}
    {%- endif -%}
{%- endmacro %}

{# The value of a piece on a day. #}
{% macro value_on(piece, day) -%}
    {{ piece }}.value + {{ piece }}.value_per_day * {{ days_between(piece ~ '.piece_from', day) }}
{%- endmacro %}

{# How bad a fired signal is. #}
{% macro signal_severity(signals, value) -%}
    case
        when
            ({{ signals }}.direction = 'above' and {{ value }} >= {{ signals }}.severe_threshold)
            or ({{ signals }}.direction = 'below' and {{ value }} <= {{ signals }}.severe_threshold)
            then 'high'
        else {{ signals }}.severity
    end
{%- endmacro %}

{# A number as people write it: whole where it is, else with one decimal. #}
{% macro plain_number(value) -%}
    case
        when {{ value }} = floor({{ value }}) then cast(cast({{ value }} as bigint) as string)
        else cast(cast(round({{ value }}, 1) as decimal(18, 1)) as string)
    end
{%- endmacro %}

{# The sentence of a signal (seed signals, column explanation) with its figures filled in. #}
{% macro signal_sentence(signals, value, baseline) -%}
    concat(replace(replace(replace(replace(replace(
        {{ signals }}.explanation,
        '{value}', coalesce({{ plain_number(value) }}, '')),
        '{change}', coalesce(concat(case when {{ value }} > 0e0 then '+' else '' end, cast(cast(round(1e2 * {{ value }}, 0) as bigint) as string), ' %'), '')),
        '{baseline}', coalesce({{ plain_number(baseline) }}, '')),
        '{window}', coalesce(cast({{ signals }}.window_days as string), '')),
        '{before}', coalesce(cast({{ signals }}.baseline_days as string), '')),
        case
            when
                ({{ signals }}.direction = 'above' and {{ value }} < {{ signals }}.clear_threshold)
                or ({{ signals }}.direction = 'below' and {{ value }} > {{ signals }}.clear_threshold)
                then ' It has recovered, but not for long enough yet.'
            else ''
        end
    )
{%- endmacro %}
