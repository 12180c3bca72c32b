{#
  The commercial label of an account between two boundaries (metrics.md section 2). Who comes or goes is decided
  before amounts are looked at, so that a reactivation or a churn at MRR 0 is never taken for none.
#}
{% macro movement_label(is_active_start, is_active_end, was_active_before, commercial_change) -%}
    case
        when not {{ is_active_start }} and not {{ is_active_end }} then 'none'
        when not {{ is_active_start }} and {{ was_active_before }} then 'reactivation'
        when not {{ is_active_start }} then 'new'
        when not {{ is_active_end }} then 'churn'
        when {{ commercial_change }} > 0 then 'expansion'
        when {{ commercial_change }} < 0 then 'contraction'
        else 'none'
    end
{%- endmacro %}
