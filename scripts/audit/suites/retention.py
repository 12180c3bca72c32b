"""What is expected of the marts of recurring revenue, cohorts, survival and repeat purchases."""

from __future__ import annotations

from ..spec import Bound, Each, Gap, Mart, Measure, Shares, agree, newest, segments_add_up, without_gaps

MONTH_CLOSED = "month_start + interval 1 month <= {common}"
# State on a first day belongs to the month before: a month compares its first day with that of the next.
LAST_MONTH = "date_trunc('month', {as_of} - interval 1 day)"
SEGMENTS = ("business_model", "industry", "company_size", "region", "acquisition_channel", "plan", "contract_length")
MOVEMENTS = ("new", "expansion", "contraction", "churn", "reactivation", "none")
COHORT_CELL_CLOSED = """(cohort_start + (period_index + 1) * case cohort_grain
    when 'week' then interval 7 day when 'month' then interval 1 month
    when 'quarter' then interval 3 month else interval 1 year end) <= {common}"""


def _last(column: str) -> str:
    return f"arg_max({column}, month_start)"


MARTS = (
    Mart(
        "mrr_monthly",
        needs="contract",
        key=("month_start",),
        needed=("is_complete", "customers_start", "customers_end", "mrr_start", "mrr_end", "arr_end"),
        shares=("customer_churn_rate", "gross_revenue_churn_rate", "grr", "annualised_churn_rate"),
        amounts=(
            "customers_start",
            "customers_new",
            "customers_churned",
            "customers_end",
            "mrr_start",
            "mrr_new",
            "mrr_expansion",
            "mrr_reactivation",
            "mrr_contraction",
            "mrr_churn",
            "mrr_end",
        ),
        intervals=(("customer_churn_ci_low", "customer_churn_rate", "customer_churn_ci_high"),),
        closed=MONTH_CLOSED,
        measures=(
            Measure("sum of mrr_end", "sum(mrr_end)", "restated_sum", "closed", "max(customers_end)"),
            Measure("sum of mrr_new", "sum(mrr_new)", "restated_flow", "closed", "sum(customers_new)"),
            Measure("sum of mrr_churn", "sum(mrr_churn)", "restated_flow", "closed", "sum(customers_churned)"),
            Measure("sum of customers_end", "sum(customers_end)", "restated_sum", "closed", "max(customers_end)"),
            Measure(
                "sum of customers_churned",
                "sum(customers_churned)",
                "restated_flow",
                "closed",
                "sum(customers_churned)",
            ),
            Measure("newest mrr_end", _last("mrr_end"), "state_sum", base=_last("customers_end")),
            Measure("newest customers_end", _last("customers_end"), "state_count", base=_last("customers_end")),
            Measure("newest arpa_end", _last("arpa_end"), "state_mean", base=_last("customers_end")),
            Measure(
                "mean churn rate of the last 12 months",
                "avg(customer_churn_rate) filter (where month_start >= {as_of} - interval 13 month and is_complete)",
                "state_rate",
                base="sum(customers_churned) filter (where month_start >= {as_of} - interval 13 month and is_complete)",
            ),
        ),
        each=(
            Each("mrr_end", "month_start", "mrr_end", "restated_month", "closed", "customers_end"),
            Each("customers_end", "month_start", "customers_end", "restated_month", "closed", "customers_end"),
        ),
        gaps=(
            Gap(
                "mrr_rolls_forward",
                "mrr_start plus new, expansion, reactivation and fx less contraction and churn is mrr_end",
                """select abs(mrr_start + mrr_new + mrr_expansion + mrr_reactivation - mrr_contraction - mrr_churn
                    + mrr_fx - mrr_end) as gap, cast(month_start as varchar) as place from marts.mrr_monthly""",
            ),
            Gap(
                "customers_roll_forward",
                "customers_start plus new and reactivated less churned is customers_end",
                """select abs(customers_start + customers_new + customers_reactivated - customers_churned
                    - customers_end) as gap, cast(month_start as varchar) as place from marts.mrr_monthly""",
            ),
            Gap(
                "months_follow_each_other",
                "a month starts with what the one before ended with",
                """select abs(mrr_end - lead(mrr_start) over (order by month_start))
                    + abs(customers_end - lead(customers_start) over (order by month_start)) as gap,
                    cast(month_start as varchar) as place from marts.mrr_monthly""",
            ),
            without_gaps("mrr_monthly", [], "month_start", "no month is missing or there twice", step="month"),
            Gap(
                "twelve_months_of_mrr",
                "arr_end is 12 times mrr_end",
                """select abs(arr_end - 12 * mrr_end) as gap, cast(month_start as varchar) as place
                from marts.mrr_monthly""",
            ),
            newest("mrr_monthly", "month_start", LAST_MONTH, "the newest month is that of the as-of date"),
        ),
        bounds=(
            Bound(
                "churn_rate_of_the_last_month",
                "select 100e0 * arg_max(customer_churn_rate, month_start) from marts.mrr_monthly "
                "where is_complete and not is_small_base",
                "monthly_churn_rate",
                "customer churn of the last complete month",
            ),
            Bound(
                "nrr_of_the_last_month",
                "select 100e0 * arg_max(nrr, month_start) from marts.mrr_monthly "
                "where is_complete and not is_small_base",
                "monthly_nrr",
                "net revenue retention of the last complete month",
            ),
        ),
    ),
    Mart(
        "account_months",
        needs="contract",
        key=("account_id", "month_start"),
        needed=("movement", "is_active_start", "is_active_end", "mrr_start", "mrr_end", "business_model"),
        amounts=("mrr_start", "mrr_end", "mrr_churned", "mrr_contracted", "mrr_expanded", "tenure_months"),
        values=(("movement", MOVEMENTS),),
        closed=MONTH_CLOSED,
        fixed=("mrr_end", "movement", *SEGMENTS),
        measures=(
            Measure("sum of mrr_end", "sum(mrr_end)", "restated_sum", "closed", "count(distinct account_id)"),
            Measure("accounts", "count(distinct account_id)", "restated_sum", "closed", "count(distinct account_id)"),
        ),
        drifts=(
            Shares(SEGMENTS, "restated_share", "closed", where="is_active_end"),
            Shares(("movement",), "restated_share", "closed"),
        ),
        gaps=(
            agree(
                "months_of_mrr_monthly",
                "the accounts of a month add up to mrr_monthly",
                ["month_start"],
                ["mrr_start", "mrr_end", "customers_start", "customers_end"],
                """select month_start, sum(mrr_start) as mrr_start, sum(mrr_end) as mrr_end,
                    count_if(is_active_start) as customers_start, count_if(is_active_end) as customers_end
                from marts.account_months group by all""",
                "select month_start, mrr_start, mrr_end, customers_start, customers_end from marts.mrr_monthly",
            ),
            Gap(
                "mrr_rolls_forward",
                "mrr_start and its changes are mrr_end for every account",
                """select abs(mrr_start + mrr_commercial_change + mrr_fx_change - mrr_end) as gap,
                    cast(month_start as varchar) as place from marts.account_months""",
            ),
            Gap(
                "accounts_keep_their_months",
                "an account has every month from its first to the newest",
                """select abs(date_diff('month', min(month_start), {last_month}) + 1 - count(*)) as gap,
                    concat('accounts since ', cast(min(month_start) as varchar)) as place
                from marts.account_months group by account_id""".replace("{last_month}", LAST_MONTH),
                0,
            ),
            newest("account_months", "month_start", LAST_MONTH, "the newest month is that of the as-of date"),
        ),
    ),
    Mart(
        "mrr_movements",
        needs="contract",
        key=("account_id", "month_start", "movement", "currency"),
        needed=("movement_kind", "mrr_change", "mrr_change_original", "business_model"),
        values=(("movement", (*MOVEMENTS, "fx")), ("movement_kind", ("commercial", "fx"))),
        closed=MONTH_CLOSED,
        measures=(
            Measure(
                "sum of what movements added",
                "sum(mrr_change) filter (where mrr_change > 0 and movement <> 'fx')",
                "restated_flow",
                "closed",
                "count_if(mrr_change > 0 and movement <> 'fx')",
            ),
            Measure(
                "sum of what movements took away",
                "-sum(mrr_change) filter (where mrr_change < 0 and movement <> 'fx')",
                "restated_flow",
                "closed",
                "count_if(mrr_change < 0 and movement <> 'fx')",
            ),
        ),
        drifts=(
            Shares(("movement", "currency"), "restated_share", "closed"),
            Shares(SEGMENTS, "restated_share", "closed"),
        ),
        gaps=(
            agree(
                "months_of_mrr_monthly",
                "the movements of a month add up to mrr_monthly, label by label",
                ["month_start"],
                ["new", "expansion", "reactivation", "contraction", "churn", "fx", "no_movement"],
                """select month_start, """
                + ", ".join(
                    f"coalesce(sum(mrr_change) filter (where movement = '{name}'), 0) as {alias}"
                    for name, alias in [
                        *((name, name) for name in MOVEMENTS[:-1]),
                        ("fx", "fx"),
                        ("none", "no_movement"),
                    ]
                )
                + " from marts.mrr_movements group by all",
                """select month_start, mrr_new as new, mrr_expansion as expansion, mrr_reactivation as reactivation,
                    -mrr_contraction as contraction, -mrr_churn as churn, mrr_fx as fx, 0 as no_movement
                from marts.mrr_monthly""",
            ),
            agree(
                "labels_of_account_months",
                "every account has its label of the month, as in account_months",
                ["month_start"],
                ["accounts"],
                """select month_start, count(distinct account_id) as accounts from marts.mrr_movements
                where movement_kind = 'commercial' group by all""",
                "select month_start, count(*) as accounts from marts.account_months group by all",
            ),
            newest("mrr_movements", "month_start", LAST_MONTH, "the newest month is that of the as-of date"),
        ),
    ),
    Mart(
        "cohort_retention",
        needs="closed_months",
        key=("relationship", "cohort_grain", "cohort_start", "segment_dimension", "segment_value", "period_index"),
        needed=("customers_at_start", "customers_retained", "customers_retained_uninterrupted"),
        shares=("logo_retention", "gross_revenue_retention"),
        amounts=("customers_retained", "mrr_at_start", "mrr_retained_gross", "mrr_retained_net", "period_index"),
        intervals=(
            ("logo_retention_ci_low", "logo_retention", "logo_retention_ci_high"),
            ("mrr_retained_gross", "mrr_retained_gross", "mrr_retained_net"),
            ("customers_retained_uninterrupted", "customers_retained", "customers_at_start"),
        ),
        values=(
            ("relationship", ("contract", "no_contract")),
            ("cohort_grain", ("week", "month", "quarter", "year")),
        ),
        closed=COHORT_CELL_CLOSED,
        measures=(
            Measure(
                "customers retained in monthly cohorts",
                "sum(customers_retained) filter (where segment_dimension = 'all' and cohort_grain = 'month')",
                "restated_sum",
                "closed",
                "sum(customers_at_start) filter (where segment_dimension = 'all' and cohort_grain = 'month' "
                "and period_index = 0)",
            ),
            Measure(
                "net MRR retained in monthly cohorts",
                "sum(mrr_retained_net) filter (where segment_dimension = 'all' and cohort_grain = 'month')",
                "restated_sum",
                "closed",
                "sum(customers_at_start) filter (where segment_dimension = 'all' and cohort_grain = 'month' "
                "and period_index = 0)",
            ),
        ),
        drifts=(Shares(("relationship", "cohort_grain", "segment_dimension"), "restated_share", "closed"),),
        gaps=(
            segments_add_up(
                "cohort_retention",
                ["relationship", "cohort_grain", "cohort_start", "period_index"],
                ["customers_at_start", "customers_retained", "mrr_retained_net", "value_retained"],
                where="cohort_grain <> 'week'",
            ),
            without_gaps(
                "cohort_retention",
                ["relationship", "cohort_grain", "cohort_start", "segment_dimension", "segment_value"],
                "period_index",
                "no cell of a cohort is missing or there twice",
            ),
            Gap(
                "cells_begin_at_0",
                "a cohort has its cells from 0 to its newest",
                """select count(*) - (max(period_index) + 1) as gap,
                    concat_ws(' ', relationship, cohort_grain, cohort_start) as place
                from marts.cohort_retention where segment_dimension = 'all'
                group by relationship, cohort_grain, cohort_start""",
                0,
            ),
        ),
    ),
    Mart(
        "survival_curve",
        needs="contract",
        key=("segment_dimension", "segment_value", "tenure_month"),
        needed=("at_risk", "churned", "censored", "survival"),
        shares=("survival", "hazard", "ci_low", "ci_high"),
        amounts=("tenure_month", "at_risk", "churned", "censored"),
        intervals=(("ci_low", "survival", "ci_high"), ("churned", "churned", "at_risk")),
        measures=(
            Measure(
                "customers at risk at the start",
                "sum(at_risk) filter (where segment_dimension = 'all' and tenure_month = 0)",
                "state_count",
                base="sum(at_risk) filter (where segment_dimension = 'all' and tenure_month = 0)",
            ),
            Measure(
                "survival of twelve months",
                "max(survival) filter (where segment_dimension = 'all' and tenure_month = 12)",
                "state_rate",
                base="max(at_risk) filter (where segment_dimension = 'all' and tenure_month = 12)",
            ),
        ),
        drifts=(
            Shares(("segment_dimension",), "state_share", weight="coalesce(sum(at_risk), 0)", where="tenure_month = 0"),
        ),
        gaps=(
            segments_add_up("survival_curve", ["tenure_month"], ["churned"]),
            agree(
                "starts_of_the_segments",
                "the segments of every dimension start with all customers",
                ["segment_dimension"],
                ["customers"],
                "select segment_dimension, sum(at_risk) as customers from marts.survival_curve "
                "where tenure_month = 0 group by all",
                """select d.segment_dimension, w.at_risk as customers
                from (select distinct segment_dimension from marts.survival_curve) as d
                cross join (select at_risk from marts.survival_curve
                    where segment_dimension = 'all' and tenure_month = 0) as w""",
            ),
            Gap(
                "who_left_is_not_at_risk",
                "who left or was censored is no longer at risk, and survival never rises",
                """select greatest(
                        abs(at_risk - lag(at_risk - churned - censored) over curve),
                        survival - lag(survival) over curve) as gap,
                    concat_ws(' ', segment_dimension, segment_value, 'month', tenure_month) as place
                from marts.survival_curve
                window curve as (partition by segment_dimension, segment_value order by tenure_month)""",
                1e-9,
            ),
        ),
    ),
    Mart(
        "repeat_purchases",
        needs="shop",
        key=("cohort_grain", "cohort_start", "segment_dimension", "segment_value"),
        nullable_key=("cohort_start",),
        needed=("buyers", "repeat_buyers", "purchases"),
        shares=("repeat_rate", "reactivation_rate"),
        amounts=("buyers", "repeat_buyers", "dormant_12_months", "reactivated_after_12_months"),
        intervals=(
            ("ci_low", "repeat_rate", "ci_high"),
            ("repeat_buyers", "buyers", "purchases"),
            ("reactivated_after_12_months", "reactivated_after_12_months", "dormant_12_months"),
        ),
        values=(("cohort_grain", ("all", "month", "quarter", "year")),),
        measures=(
            Measure(
                "buyers",
                "sum(buyers) filter (where cohort_grain = 'all' and segment_dimension = 'all')",
                "state_count",
                base="sum(buyers) filter (where cohort_grain = 'all' and segment_dimension = 'all')",
            ),
            Measure(
                "repeat rate",
                "max(repeat_rate) filter (where cohort_grain = 'all' and segment_dimension = 'all')",
                "state_rate",
                base="sum(repeat_buyers) filter (where cohort_grain = 'all' and segment_dimension = 'all')",
            ),
        ),
        gaps=(
            agree(
                "cohorts_and_segments",
                "cohorts and segments add up to all buyers",
                ["cohort_grain", "segment_dimension"],
                ["buyers", "repeat_buyers", "purchases"],
                """select cohort_grain, segment_dimension, sum(buyers) as buyers, sum(repeat_buyers) as repeat_buyers,
                    sum(purchases) as purchases
                from marts.repeat_purchases group by all""",
                """select d.cohort_grain, d.segment_dimension, w.buyers, w.repeat_buyers, w.purchases
                from (select distinct cohort_grain, segment_dimension from marts.repeat_purchases) as d
                cross join (select * from marts.repeat_purchases
                    where cohort_grain = 'all' and segment_dimension = 'all') as w""",
            ),
        ),
    ),
)
