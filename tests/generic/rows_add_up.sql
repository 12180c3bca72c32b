{# Every row that was read is accepted, quarantined, superseded or not yet known: none is lost or counted twice. #}
{% test rows_add_up(model) %}
select *
from {{ model }}
where
    rows_accepted + rows_quarantined + rows_superseded + rows_not_yet_known <> rows_read
    or (not is_supplied and (rows_read > 0 or rows_rejected_by_reader > 0))
{% endtest %}
