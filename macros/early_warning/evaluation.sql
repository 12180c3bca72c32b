{# How warnings are judged (metrics.md section 10): what signal_backtest, health_backtest and health_calibration share. #}

{# Position of a score among those of its partition, from the smallest on; equal scores share the mean of their positions. #}
{% macro mid_rank(score, partition) -%}
    cast(rank() over (partition by {{ partition }} order by {{ score }} asc nulls first) as double)
    + (count(*) over (partition by {{ partition }}, {{ score }}) - 1) / 2e0
{%- endmacro %}

{#
  Area under the ROC curve: the share of all pairs of one that happened and one that did not in which the former has the higher
  score, equal scores counting half; from the sum of the mid-ranks of those that happened. Null unless there are both kinds.
#}
{% macro auc(rank_sum, positives, negatives) -%}
    case
        when {{ positives }} > 0 and {{ negatives }} > 0
            then (
                {{ rank_sum }} - cast({{ positives }} as double) * (cast({{ positives }} as double) + 1e0) / 2e0
            ) / (cast({{ positives }} as double) * cast({{ negatives }} as double))
    end
{%- endmacro %}

{#
  What one observation adds to the deviation of the AUC (DeLong, DeLong & Clarke-Pearson 1988): its placement, the share of the
  other kind it is ahead of, or behind, against the AUC. Summed per account these give the variance when an account is observed
  many times (Obuchowski 1997).
#}
{% macro auc_influence(has_happened, mid_rank, mid_rank_in_kind, auc, positives, negatives) -%}
    case
        when {{ has_happened }}
            then (({{ mid_rank }} - {{ mid_rank_in_kind }}) / cast({{ negatives }} as double) - {{ auc }})
                / cast({{ positives }} as double)
        else (1e0 - ({{ mid_rank }} - {{ mid_rank_in_kind }}) / cast({{ positives }} as double) - {{ auc }})
            / cast({{ negatives }} as double)
    end
{%- endmacro %}

{# Mean squared distance of a probability from what happened (1 or 0); an aggregate. #}
{% macro brier(probability, happened) -%}
    sum(power({{ probability }} - cast({{ happened }} as double), 2e0)) / cast(count(*) as double)
{%- endmacro %}

{# How many times as often it happened where the signal fired as in the whole: (A / B) / (C / N). #}
{% macro lift(fired_happened, fired, happened, observations) -%}
    case
        when {{ fired }} > 0 and {{ happened }} > 0
            then cast({{ fired_happened }} as double) * cast({{ observations }} as double)
                / (cast({{ fired }} as double) * cast({{ happened }} as double))
    end
{%- endmacro %}

{#
  What one account's observations (a, b, c, n) add to the deviation of ln lift = ln A - ln B - ln C + ln N: the delta method. Null
  where a total is 0.
#}
{% macro lift_influence(a, b, c, n, totals) -%}
    cast({{ a }} as double) / nullif(cast({{ totals[0] }} as double), 0e0)
    - cast({{ b }} as double) / nullif(cast({{ totals[1] }} as double), 0e0)
    - cast({{ c }} as double) / nullif(cast({{ totals[2] }} as double), 0e0)
    + cast({{ n }} as double) / nullif(cast({{ totals[3] }} as double), 0e0)
{%- endmacro %}

{# Variance of a sum of the accounts' influences, G / (G - 1) times the sum of their squares; null for a single account. #}
{% macro clustered_variance(sum_of_squares, accounts) -%}
    {{ sum_of_squares }} * cast({{ accounts }} as double) / nullif(cast({{ accounts }} as double) - 1e0, 0e0)
{%- endmacro %}

{# Whether a rank from the top lies within the tenth that is highest, rounded up; in whole numbers. #}
{% macro is_top_tenth(rank_from_top, observations) -%}
    10 * {{ rank_from_top }} < {{ observations }} + 10
{%- endmacro %}

{# The first month start on or after a day: who is a customer again by then was never lost. #}
{% macro month_start_from(day) -%}
    {{ add_months(period_start_of('month', add_days(day, -1)), 1) }}
{%- endmacro %}
