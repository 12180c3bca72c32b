{# Splitting money so that no part of it is lost. #}

{#
  The part of an amount that lies between two points of a measure in whole numbers (days of an interval, weights in
  order): what is due up to the later point less what is due up to the earlier one, each rounded once, so that the parts
  of a whole always add up to it. The amount may be negative.
#}
{% macro part_of_money(amount, from_point, to_point, whole) -%}
    cast(case
        when {{ amount }} < 0
            then
                {{ scale_money_by_count('-(' ~ amount ~ ')', from_point, whole) }}
                - {{ scale_money_by_count('-(' ~ amount ~ ')', to_point, whole) }}
        else {{ scale_money_by_count(amount, to_point, whole) }} - {{ scale_money_by_count(amount, from_point, whole) }}
    end as decimal(38, 4))
{%- endmacro %}

{# An amount per head, rounded once; null where there is nobody. The amount may be negative. #}
{% macro money_per_head(amount, heads) -%}
    cast(case
        when {{ heads }} > 0 and {{ amount }} < 0 then -{{ scale_money_by_count('-(' ~ amount ~ ')', '1', heads) }}
        when {{ heads }} > 0 then {{ scale_money_by_count(amount, '1', heads) }}
    end as decimal(38, 4))
{%- endmacro %}
