{#- the grains are written out because a period's last boundary is a calendar fact, not a sum of shorter periods -#}
{%- set grains = ['week', 'month', 'quarter', 'year'] -%}
with

versions as (
    select min(valid_from) as first_day from {{ ref('int_paid_versions') }}
),

orders as (
    select min(ordered_on) as first_day from {{ ref('int_orders') }}
),

-- a relationship that begins on the first day of a period is new in the period that this day ends
history as (
    select {{ add_days('min(first_day)', -1) }} as first_day
    from (
        select first_day from versions
        union all
        select first_day from orders
    ) as first_days
),

numbers as (
    {{ number_spine() }}
),

{% for grain in grains -%}
{{ grain }}s as (
    select
        '{{ grain }}' as period_grain,
        {% if grain == 'week' -%}
        {{ add_days(period_start_of(grain, 'history.first_day'), '7 * numbers.i') }} as period_start,
        {{ add_days(period_start_of(grain, 'history.first_day'), '7 * numbers.i + 7') }} as next_period_start
        {%- else -%}
        {%- set months = {'month': 1, 'quarter': 3, 'year': 12}[grain] -%}
        {{ add_months(period_start_of(grain, 'history.first_day'), months ~ ' * numbers.i') }} as period_start,
        {{ add_months(period_start_of(grain, 'history.first_day'), months ~ ' * numbers.i + ' ~ months) }}
            as next_period_start
        {%- endif %}
    from history
    cross join numbers
    where
        numbers.i <= {{ days_between('history.first_day', as_of_date()) }} / {{ 7 if grain == 'week' else 27 }} + 1
),

{% endfor -%}
unioned as (
    {%- for grain in grains %}
    select * from {{ grain }}s
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

final as (
    select
        period_grain,
        period_start,
        next_period_start,
        least(next_period_start, {{ as_of_date() }}) as period_end,
        next_period_start <= {{ as_of_date() }} as is_complete
    from unioned
    where period_start < {{ as_of_date() }}
)

select * from final
