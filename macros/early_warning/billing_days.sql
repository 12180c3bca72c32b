{# The day a version in force on grid_date was last billed anew: its terms (without one, its bills) are counted from billed_from. #}
{% macro last_billing_day(versions) -%}
    {{ billing_interval_start(versions ~ '.billed_from', _billing_months(versions), versions ~ '.grid_date') }}
{%- endmacro %}

{# ... and is next. #}
{% macro next_billing_day(versions) -%}
    {{ add_months(last_billing_day(versions), _billing_months(versions)) }}
{%- endmacro %}

{% macro _billing_months(versions) -%}
    (case
        when {{ versions }}.contract_term_months >= 1 then {{ versions }}.contract_term_months
        else {{ versions }}.billing_interval_months
    end)
{%- endmacro %}
