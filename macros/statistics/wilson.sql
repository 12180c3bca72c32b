{#
  95 % Wilson score interval of a share (Wilson 1927): low and high bound of numerator / denominator.
  Null where the denominator is 0.
#}
{% macro z95() -%} 1.959963984540054e0 {%- endmacro %}

{% macro wilson_low(numerator, denominator) -%}
    {{ _wilson(numerator, denominator, '-') }}
{%- endmacro %}

{% macro wilson_high(numerator, denominator) -%}
    {{ _wilson(numerator, denominator, '+') }}
{%- endmacro %}

{% macro _wilson(numerator, denominator, sign) -%}
    {%- set x -%} cast({{ numerator }} as double) {%- endset -%}
    {%- set n -%} cast({{ denominator }} as double) {%- endset -%}
    {%- set z -%} {{ z95() }} {%- endset -%}
    {#- the clamp takes away the last bit of rounding at shares of 0 and 1 -#}
    case
        when {{ denominator }} > 0 then least(1e0, greatest(0e0,
            ({{ x }} + {{ z }} * {{ z }} / 2e0 {{ sign }} {{ z }} * sqrt({{ x }} * ({{ n }} - {{ x }}) / {{ n }} + {{ z }} * {{ z }} / 4e0))
            / ({{ n }} + {{ z }} * {{ z }})
        ))
    end
{%- endmacro %}
