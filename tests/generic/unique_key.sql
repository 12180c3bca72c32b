{#
  The columns together name a row: none repeats. Columns are not null unless listed in `nullable`.
  One query for the whole key, so that a mart pays for one test.
#}
{% test unique_key(model, columns, nullable=[]) %}
select
    {{ columns | join(', ') }},
    count(*) as rows_with_key
from {{ model }}
group by {{ columns | join(', ') }}
having
    count(*) > 1
    {%- for column in columns if column not in nullable %}
    or {{ column }} is null
    {%- endfor %}
{% endtest %}
