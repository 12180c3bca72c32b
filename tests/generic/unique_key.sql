{#
  One row per key, and no key column null but those in `nullable`. Repeated fingerprints are looked for first, so that
  large tables are not grouped by their full key.
#}
{% test unique_key(model, columns, nullable=[]) %}
with fingerprints as (
    select {{ row_fingerprint(columns) }} as key_fingerprint
    from {{ model }}
),

repeated as (
    select key_fingerprint
    from fingerprints
    group by key_fingerprint
    having count(*) > 1
),

candidates as (
    select {{ columns | join(', ') }}
    from {{ model }}
    where {{ row_fingerprint(columns) }} in (select key_fingerprint from repeated)
)

select {{ columns | join(', ') }}
from candidates
group by {{ columns | join(', ') }}
having count(*) > 1
{%- for column in columns if column not in nullable %}

union all

select {{ columns | join(', ') }}
from {{ model }}
where {{ column }} is null
{%- endfor %}
{% endtest %}
