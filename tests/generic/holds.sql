{#
  Every row fulfils every rule; a rule that is null for a row is broken too. `rules` maps a name to a condition,
  so that the failing rows of the test say which rule broke and how often, and all rules cost one scan.
#}
{% test holds(model, rules) %}
with

counted as (
    select
        {%- for condition in rules.values() %}
        count(case when ({{ condition }}) is distinct from true then 1 end) as broken_{{ loop.index }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ model }}
)

{% for name in rules -%}
select
    '{{ name }}' as broken_rule,
    broken_{{ loop.index }} as broken_rows
from counted
where broken_{{ loop.index }} > 0
{%- if not loop.last %}
union all
{% endif %}
{%- endfor %}
{% endtest %}
