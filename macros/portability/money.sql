{# Exact money arithmetic. Amounts are decimals; every rounding is half away from zero to four places. #}

{#
  amount x quantity / months, rounded once. DuckDB divides decimals as doubles, which can miss a tie, and Spark rounds the
  quotient of decimals to the places that are left, and then again; so 10^8 x amount x quantity is divided as a whole number
  by 10^4 x months, after half the divisor is added.
#}
{% macro money_per_month(amount, quantity, months) -%}
    cast((
        {{ whole_units(amount) }} * {{ whole_units(quantity) }}
        + 5000 * {{ months }}
    ) {{ whole_division() }} (10000 * {{ months }}) * cast(0.0001 as decimal(5, 4)) as decimal(18, 4))
{%- endmacro %}

{#
  An original amount in reporting currency. With 18 digits DuckDB would multiply in 64 bits and stop at products of 9.2
  million; 19 by 18 digits are multiplied in 128 bits, and are the most that Spark multiplies without losing places.
#}
{% macro convert_money(amount, rate) -%}
    cast(round(cast({{ amount }} as decimal(19, 4)) * cast({{ rate }} as decimal(18, 8)), 4) as decimal(38, 4))
{%- endmacro %}

{#
  amount x numerator / denominator for sums of money that are not negative, rounded once. In whole ten-thousandths, as a
  quotient of doubles or of scaled decimals can miss a tie.
#}
{% macro scale_money(amount, numerator, denominator) -%}
    cast(
        (2 * {{ whole_units(amount) }} * {{ whole_units(numerator) }} + {{ whole_units(denominator) }})
        {{ whole_division() }} (2 * {{ whole_units(denominator) }}) * cast(0.0001 as decimal(5, 4)) as decimal(38, 4)
    )
{%- endmacro %}

{# The mean of a sum of money that is not negative, to the cent, half up; from whole numbers, so that ties are ties. #}
{% macro mean_money(total, count) -%}
    cast(
        ({{ whole_units(total) }} + 50 * {{ count }}) {{ whole_division() }} (100 * {{ count }})
        * cast(0.01 as decimal(3, 2)) as decimal(18, 2)
    )
{%- endmacro %}

{#
  scale_money for whole numbers, 0 <= numerator <= denominator: days of an interval, heads, weights. DuckDB divides numbers of
  128 bits slowly, so what is small enough for 64 takes that way: amounts below 10^8 and denominators below 4 x 10^6.
#}
{% macro scale_money_by_count(amount, numerator, denominator) %}
    {{ return(adapter.dispatch('scale_money_by_count', 'bestand')(amount, numerator, denominator)) }}
{% endmacro %}
{% macro default__scale_money_by_count(amount, numerator, denominator) -%}
    {{ scale_money(amount, numerator, denominator) }}
{%- endmacro %}
{% macro duckdb__scale_money_by_count(amount, numerator, denominator) -%}
    case
        when {{ amount }} < 100000000 and {{ denominator }} < 4000000
            then cast((
                2 * cast(cast({{ amount }} as double) * 10000 as bigint) * cast({{ numerator }} as bigint)
                + cast({{ denominator }} as bigint)
            ) // (2 * cast({{ denominator }} as bigint)) * cast(0.0001 as decimal(5, 4)) as decimal(38, 4))
        else {{ scale_money(amount, numerator, denominator) }}
    end
{%- endmacro %}

{# Money in whole ten-thousandths. #}
{% macro whole_units(amount) %}{{ return(adapter.dispatch('whole_units', 'bestand')(amount)) }}{% endmacro %}
{% macro default__whole_units(amount) -%} cast(cast({{ amount }} as decimal(38, 4)) * 10000 as decimal(38, 0)) {%- endmacro %}
{% macro duckdb__whole_units(amount) -%} cast(cast({{ amount }} as decimal(38, 4)) * 10000 as hugeint) {%- endmacro %}

{# The operator that divides whole numbers and drops the rest. #}
{% macro whole_division() %}{{ return(adapter.dispatch('whole_division', 'bestand')()) }}{% endmacro %}
{% macro default__whole_division() -%} div {%- endmacro %}
{% macro duckdb__whole_division() -%} // {%- endmacro %}

{# A sum of money; the type is fixed because engines widen sums of decimals differently. #}
{% macro sum_money(amount) -%} cast(coalesce(sum({{ amount }}), 0) as decimal(38, 4)) {%- endmacro %}

{# A count of rows that fulfil a condition. #}
{% macro count_where(condition) -%} cast(count(case when {{ condition }} then 1 end) as bigint) {%- endmacro %}
