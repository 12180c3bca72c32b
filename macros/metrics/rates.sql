{# The rates of retention and churn (metrics.md section 3). Each is a double, null where its base is 0. #}

{% macro ratio(numerator, denominator) -%}
    case when {{ denominator }} <> 0 then cast({{ numerator }} as double) / cast({{ denominator }} as double) end
{%- endmacro %}

{# Customers lost / customers at the start. #}
{% macro customer_churn_rate(customers_churned, customers_start) -%}
    {{ ratio(customers_churned, customers_start) }}
{%- endmacro %}

{# What is left of the start MRR, at the start rate, without and with what the same accounts added. #}
{% macro mrr_retained_gross(mrr_start, mrr_churned, mrr_contracted) -%}
    cast({{ mrr_start }} - {{ mrr_churned }} - {{ mrr_contracted }} as decimal(38, 4))
{%- endmacro %}

{% macro mrr_retained_net(mrr_start, mrr_churned, mrr_contracted, mrr_expanded) -%}
    cast({{ mrr_start }} - {{ mrr_churned }} - {{ mrr_contracted }} + {{ mrr_expanded }} as decimal(38, 4))
{%- endmacro %}

{# Net revenue retention: end MRR (at the start rate) of the accounts active at the start / their start MRR. #}
{% macro nrr(mrr_retained_net, mrr_start) -%}
    {{ ratio(mrr_retained_net, mrr_start) }}
{%- endmacro %}

{# Gross revenue retention: the same with each account capped at its start. #}
{% macro grr(mrr_retained_gross, mrr_start) -%}
    {{ ratio(mrr_retained_gross, mrr_start) }}
{%- endmacro %}

{# (churn + contraction) / start MRR, all at the start rate: what gross retention leaves. #}
{% macro gross_revenue_churn_rate(mrr_churned, mrr_contracted, mrr_start) -%}
    {{ ratio('(' ~ mrr_churned ~ ' + ' ~ mrr_contracted ~ ')', mrr_start) }}
{%- endmacro %}

{# Gross less expansion; reactivation counts against it only where the var says so. #}
{% macro net_revenue_churn_rate(mrr_churned, mrr_contracted, mrr_expanded, mrr_reactivated, mrr_start) -%}
    {%- set gained = mrr_expanded ~ (' - ' ~ mrr_reactivated if var('reactivation_in_net_churn') else '') -%}
    {{ ratio('(' ~ mrr_churned ~ ' + ' ~ mrr_contracted ~ ' - ' ~ gained ~ ')', mrr_start) }}
{%- endmacro %}

{# (new + expansion + reactivation) / (contraction + churn); null when nothing was lost. #}
{% macro quick_ratio(mrr_new, mrr_expansion, mrr_reactivation, mrr_contraction, mrr_churn) -%}
    {{ ratio('(' ~ mrr_new ~ ' + ' ~ mrr_expansion ~ ' + ' ~ mrr_reactivation ~ ')',
             '(' ~ mrr_contraction ~ ' + ' ~ mrr_churn ~ ')') }}
{%- endmacro %}

{# A monthly rate compounded to a year: 5 % a month are 45.96 %. #}
{% macro annualised_rate(monthly_rate) -%}
    1e0 - power(1e0 - ({{ monthly_rate }}), 12e0)
{%- endmacro %}

{# A rate of one period length converted to another, both in months. #}
{% macro convert_rate(rate, from_months, to_months) -%}
    case
        when {{ to_months }} = {{ from_months }} then {{ rate }}
        else 1e0 - power(1e0 - ({{ rate }}), cast({{ to_months }} as double) / cast({{ from_months }} as double))
    end
{%- endmacro %}

{# New customers needed for net growth g at churn c: (g + c) x base. #}
{% macro new_customers_needed(growth, churn_rate, base) -%}
    ({{ growth }} + ({{ churn_rate }})) * cast({{ base }} as double)
{%- endmacro %}

{% macro is_small_base(base) -%} {{ base }} < {{ var('small_base_threshold') }} {%- endmacro %}

{# Months of a period grain. #}
{% macro months_of_grain(grain) -%}
    case {{ grain }} when 'month' then 1 when 'quarter' then 3 when 'year' then 12 end
{%- endmacro %}
