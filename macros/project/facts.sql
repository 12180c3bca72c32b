{#
  The facts that do not hold, one row each: of which macro, for what, what it gave and what it should have. A fact is
  {of, given, gives, expected, rows} and perhaps {where}: expressions over the rows of a CTE. Compared as text, so that a
  timestamp is not taken for a date.
#}
{% macro facts_that_fail(facts) -%}
    select * from (
        {%- for fact in facts %}
        {{ 'union all' if not loop.first }}
        select
            '{{ fact.of }}' as macro_name,
            cast({{ fact.given }} as string) as given,
            cast({{ fact.gives }} as string) as given_back,
            cast({{ fact.expected }} as string) as expected
        from {{ fact.rows }}
        {%- if fact.where is defined %}
        where {{ fact.where }}
        {%- endif %}
        {%- endfor %}
    ) as facts
    where given_back is distinct from expected
{%- endmacro %}
