"""What is expected of the marts of churn and renewals."""

from __future__ import annotations

from ..spec import PERIOD_END, Mart, Measure, Shares, agree, newest, segments_add_up

PERIOD_CLOSED = f"{PERIOD_END} <= {{common}}"
GRAINS = ("month", "quarter", "year")
MONTHS_OF_THE_WHOLE = "segment_dimension = 'all' and period_grain = 'month'"
# State on a first day belongs to the period before.
LAST_MONTH = "date_trunc('month', {as_of} - interval 1 day)"

MARTS = (
    Mart(
        "churn_by_segment",
        needs="contract",
        key=("period_grain", "period_start", "segment_dimension", "segment_value"),
        needed=("is_complete", "customers_at_start", "customers_churned", "mrr_at_start", "mrr_churned"),
        shares=("churn_rate", "gross_revenue_churn_rate", "grr", "benchmark_rate"),
        amounts=("customers_at_start", "customers_churned", "mrr_at_start", "mrr_churned", "mrr_contracted", "nrr"),
        intervals=(
            ("ci_low", "churn_rate", "ci_high"),
            ("customers_churned", "customers_churned", "customers_at_start"),
            ("grr", "grr", "nrr"),
        ),
        values=(("period_grain", GRAINS),),
        closed=PERIOD_CLOSED,
        measures=(
            Measure(
                "customers at the start of months",
                f"sum(customers_at_start) filter (where {MONTHS_OF_THE_WHOLE})",
                "restated_sum",
                "closed",
                f"max(customers_at_start) filter (where {MONTHS_OF_THE_WHOLE})",
            ),
            Measure(
                "customers churned in months",
                f"sum(customers_churned) filter (where {MONTHS_OF_THE_WHOLE})",
                "restated_flow",
                "closed",
                f"sum(customers_churned) filter (where {MONTHS_OF_THE_WHOLE})",
            ),
            Measure(
                "MRR at the start of months",
                f"sum(mrr_at_start) filter (where {MONTHS_OF_THE_WHOLE})",
                "restated_sum",
                "closed",
                f"max(customers_at_start) filter (where {MONTHS_OF_THE_WHOLE})",
            ),
        ),
        drifts=(Shares(("segment_dimension",), "restated_share", "closed"),),
        gaps=(
            segments_add_up(
                "churn_by_segment",
                ["period_grain", "period_start"],
                ["customers_at_start", "customers_churned", "mrr_at_start", "mrr_churned", "mrr_contracted"],
            ),
            agree(
                "months_of_mrr_monthly",
                "the whole of a month is that of mrr_monthly",
                ["month_start"],
                ["customers_at_start", "customers_churned", "mrr_at_start", "mrr_churned"],
                f"""select period_start as month_start, customers_at_start, customers_churned, mrr_at_start, mrr_churned
                from marts.churn_by_segment where {MONTHS_OF_THE_WHOLE}""",
                """select month_start, customers_start as customers_at_start, customers_churned,
                    mrr_start as mrr_at_start, mrr_churn as mrr_churned
                from marts.mrr_monthly""",
            ),
            newest(
                "churn_by_segment",
                "period_start",
                LAST_MONTH,
                "the newest month is that of the as-of date",
                where="period_grain = 'month'",
            ),
        ),
    ),
    Mart(
        "churn_reasons",
        needs="losses",
        key=("period_grain", "period_start", "reason_code"),
        needed=("is_complete", "customers_churned", "mrr_churned"),
        shares=("share_of_customers_churned", "share_of_mrr_churned"),
        amounts=("customers_churned", "mrr_churned"),
        values=(("period_grain", GRAINS),),
        closed=PERIOD_CLOSED,
        measures=(
            Measure(
                "sum of customers_churned",
                "sum(customers_churned)",
                "restated_flow",
                "closed",
                "sum(customers_churned)",
            ),
        ),
        drifts=(
            Shares(
                ("reason_code",),
                "restated_share",
                "closed",
                weight="sum(customers_churned)",
                where="period_grain = 'month'",
            ),
        ),
        gaps=(
            agree(
                "reasons_of_the_losses",
                "the reasons of a period add up to its churn",
                ["period_grain", "period_start"],
                ["customers_churned", "mrr_churned"],
                """select period_grain, period_start, sum(customers_churned) as customers_churned,
                    sum(mrr_churned) as mrr_churned
                from marts.churn_reasons group by all""",
                """select period_grain, period_start, customers_churned, mrr_churned
                from marts.churn_by_segment where segment_dimension = 'all'""",
            ),
        ),
    ),
    Mart(
        "renewals",
        needs=None,
        key=("subscription_id", "due_on"),
        needed=("account_id", "outcome"),
        amounts=("mrr", "contract_term_months"),
        values=(("outcome", ("renewed", "lost", "open")),),
        closed="due_on <= {common}",
        measures=(Measure("sum of mrr", "sum(mrr)", "restated_sum", "closed", "count(distinct account_id)"),),
        drifts=(
            Shares(("outcome",), "restated_share", "closed"),
            Shares(("plan",), "restated_share", "closed"),
        ),
    ),
    Mart(
        "renewals_monthly",
        needs="renewals",
        key=("month_start",),
        needed=("renewals_due", "renewals_renewed", "renewals_lost", "renewals_open"),
        shares=("renewal_rate",),
        amounts=("renewals_renewed", "renewals_lost", "renewals_open", "mrr_renewed", "mrr_lost", "mrr_open"),
        intervals=(("ci_low", "renewal_rate", "ci_high"),),
        closed="month_start + interval 1 month <= {common}",
        measures=(
            Measure("sum of mrr_due", "sum(mrr_due)", "restated_sum", "closed", "max(renewals_due)"),
            Measure("sum of mrr_lost", "sum(mrr_lost)", "restated_flow", "closed", "sum(renewals_lost)"),
        ),
        gaps=(
            agree(
                "months_of_renewals",
                "the renewals of a month add up to it, outcome by outcome",
                ["month_start"],
                ["renewed", "lost", "still_open", "mrr"],
                """select month_start, renewals_renewed as renewed, renewals_lost as lost, renewals_open as still_open,
                    mrr_due as mrr
                from marts.renewals_monthly""",
                """select date_trunc('month', due_on) as month_start, count_if(outcome = 'renewed') as renewed,
                    count_if(outcome = 'lost') as lost, count_if(outcome = 'open') as still_open,
                    coalesce(sum(mrr), 0) as mrr
                from marts.renewals group by all""",
            ),
        ),
    ),
)
