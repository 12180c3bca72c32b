{#
  95 % Wilson score interval of a share (Wilson 1927): low and high bound of numerator / denominator.
  Null where the denominator is 0.
#}
{% macro z95() -%} 1.959963984540054e0 {%- endmacro %}

{% macro wilson_low(numerator, denominator) -%}
    {{ _wilson(numerator, denominator, '-', 'least', 'greatest', '0e0') }}
{%- endmacro %}

{% macro wilson_high(numerator, denominator) -%}
    {{ _wilson(numerator, denominator, '+', 'greatest', 'least', '1e0') }}
{%- endmacro %}

{# The bounds hold the share and stay shares whatever the last bit of rounding does at 0 and 1. #}
{% macro _wilson(numerator, denominator, sign, beyond, within, limit) -%}
    {%- set x -%} cast({{ numerator }} as double) {%- endset -%}
    {%- set n -%} cast({{ denominator }} as double) {%- endset -%}
    {%- set z -%} {{ z95() }} {%- endset -%}
    case
        when {{ denominator }} > 0 then {{ within }}({{ limit }}, {{ beyond }}(
            {{ x }} / {{ n }},
            (
                {{ x }} + {{ z }} * {{ z }} / 2e0
                {{ sign }} {{ z }} * sqrt({{ x }} * ({{ n }} - {{ x }}) / {{ n }} + {{ z }} * {{ z }} / 4e0)
            ) / ({{ n }} + {{ z }} * {{ z }})
        ))
    end
{%- endmacro %}
