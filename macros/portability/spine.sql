{# Whole numbers 0 .. 9999 as column i, without looking at any data: the base of every calendar spine. #}
{% macro number_spine() -%}
    select ones.d + 10 * tens.d + 100 * hundreds.d + 1000 * thousands.d as i
    from (values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) as ones (d)
    cross join (values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) as tens (d)
    cross join (values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) as hundreds (d)
    cross join (values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) as thousands (d)
{%- endmacro %}
