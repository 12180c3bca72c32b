{# Evidence of signals of usage: the days of the account's usage that decide. #}
{% macro usage_evidence(first_day, last_day) -%}
    concat('{"usage": {"from": "', cast({{ first_day }} as string), '", "to": "', cast({{ last_day }} as string), '"}}')
{%- endmacro %}
