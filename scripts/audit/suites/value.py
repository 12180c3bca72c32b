"""What is expected of the marts of customer value and of what winning and keeping customers costs."""

from __future__ import annotations

from ..spec import (
    PERIOD_END,
    Gap,
    Mart,
    Measure,
    Shares,
    agree,
    newest,
    parts_add_up,
    rises_nowhere,
    segments_add_up,
    without_gaps,
)

PERIOD_CLOSED = f"{PERIOD_END} <= {{common}}"
GRAINS = ("month", "quarter", "year")
RELATIONSHIPS = ("contract", "no_contract", "all")
CUSTOMERS = "relationship <> 'none'"
# What clv_by_segment, clv_by_business_model and clv_by_account_manager are sums of.
BY_RELATIONSHIP = """
    select relationship, count(*) as customers, count_if(is_active) as active_customers,
        count(total_clv) as valued_customers, sum(historic_clv) as historic_clv,
        coalesce(sum(residual_clv), 0) as residual_clv, coalesce(sum(total_clv), 0) as total_clv
    from (select * replace (cast(historic_clv as double) as historic_clv) from marts.account_clv
        where relationship <> 'none'
        union all by name
        select * replace ('all' as relationship, cast(historic_clv as double) as historic_clv) from marts.account_clv
        where relationship <> 'none')
    group by relationship"""

MARTS = (
    Mart(
        "account_clv",
        needs="accounts",
        key=("account_id",),
        needed=("relationship", "is_active", "historic_clv", "value_tier", "model_status", "currency"),
        shares=("p_alive", "survival_next_term"),
        amounts=("mrr", "historic_revenue", "historic_discounts", "historic_refunds", "tenure_months"),
        intervals=(("residual_clv_low", "residual_clv", "residual_clv_high"),),
        values=(("relationship", ("contract", "no_contract", "none")),),
        measures=(
            Measure("customers", f"count_if({CUSTOMERS})", "state_count", base=f"count_if({CUSTOMERS})"),
            Measure("sum of mrr", "sum(mrr)", "state_sum", base="count(mrr)"),
            Measure("sum of historic_clv", "sum(historic_clv)", "state_sum", base=f"count_if({CUSTOMERS})"),
            Measure("mean total_clv", "avg(total_clv)", "state_mean", base="count(total_clv)"),
            Measure(
                "mean residual_clv of active customers",
                "avg(residual_clv) filter (where is_active)",
                "state_mean",
                base="count(residual_clv) filter (where is_active)",
            ),
            Measure(
                "active customers that could be valued",
                "count(residual_clv) filter (where is_active)",
                "state_count",
                base="count(residual_clv) filter (where is_active)",
            ),
        ),
        drifts=(
            Shares(("relationship", "value_tier"), "state_share"),
            Shares(("model", "model_status"), "state_share", where=CUSTOMERS),
            Shares(("currency",), "one_currency"),
        ),
        gaps=(
            Gap(
                "one_currency",
                "all amounts are in one currency",
                """select count(distinct currency) - 1 as gap, string_agg(distinct currency, ', ') as place
                from marts.account_clv having count(*) > 0""",
                0,
            ),
            Gap(
                "total_is_the_sum",
                "historic_clv and residual_clv are total_clv",
                """select abs(total_clv - historic_clv - residual_clv) / greatest(abs(total_clv), 1e0) as gap,
                    relationship as place
                from marts.account_clv""",
                1e-6,
            ),
            agree(
                "running_contracts_of_mrr_monthly",
                "the running contracts and their MRR are those at the end of mrr_monthly",
                ["as_of"],
                ["customers", "mrr"],
                """select 'as-of date' as as_of, count(mrr) as customers, coalesce(sum(mrr), 0) as mrr
                from marts.account_clv""",
                """select 'as-of date' as as_of, coalesce(arg_max(customers_end, month_start), 0) as customers,
                    coalesce(arg_max(mrr_end, month_start), 0) as mrr
                from marts.mrr_monthly""",
            ),
            agree(
                "accounts_of_the_input",
                "there is a row for every accepted account that is neither a test nor merged",
                ["input"],
                ["accounts"],
                "select 'accounts' as input, count(*) as accounts from marts.account_clv",
                """select entity as input, rows_accepted - rows_of_test_accounts - rows_of_merged_accounts as accounts
                from marts.input_accounting where entity = 'accounts'""",
            ),
        ),
    ),
    Mart(
        "clv_by_segment",
        needs="customers",
        key=("segment_dimension", "segment_value", "relationship"),
        needed=("customers", "active_customers", "valued_customers", "historic_clv"),
        amounts=("customers", "active_customers", "valued_customers", "top_tier_customers"),
        intervals=(
            ("residual_clv_low", "residual_clv", "residual_clv_high"),
            ("top_tier_customers", "valued_customers", "customers"),
        ),
        values=(("relationship", RELATIONSHIPS),),
        measures=(
            Measure(
                "share of active customers",
                "sum(active_customers) / sum(customers)",
                "state_mean",
                base="max(customers)",
            ),
        ),
        drifts=(Shares(("segment_dimension",), "state_share", weight="sum(customers)", where="relationship = 'all'"),),
        gaps=(
            segments_add_up(
                "clv_by_segment",
                ["relationship"],
                [
                    "customers",
                    "active_customers",
                    "valued_customers",
                    "top_tier_customers",
                    "historic_clv",
                    "residual_clv",
                    "total_clv",
                ],
                relative=True,
            ),
            agree(
                "customers_of_account_clv",
                "the whole is that of account_clv",
                ["relationship"],
                ["customers", "active_customers", "valued_customers", "historic_clv", "residual_clv", "total_clv"],
                "select * from marts.clv_by_segment where segment_dimension = 'all'",
                BY_RELATIONSHIP,
                relative=True,
            ),
            agree(
                "tiers_of_account_clv",
                "the value tiers are those of account_clv",
                ["tier"],
                ["customers", "total_clv"],
                """select segment_value as tier, customers, total_clv from marts.clv_by_segment
                where segment_dimension = 'value_tier' and relationship = 'all'""",
                f"""select value_tier as tier, count(*) as customers, sum(total_clv) as total_clv
                from marts.account_clv where {CUSTOMERS} group by all""",
                relative=True,
            ),
        ),
    ),
    Mart(
        "clv_by_business_model",
        needs="customers",
        key=("business_model", "relationship"),
        needed=("customers", "active_customers", "valued_customers"),
        shares=("repeat_buyer_share", "gross_margin_mean"),
        amounts=("customers", "active_customers", "valued_customers", "tenure_months_mean"),
        values=(("relationship", RELATIONSHIPS),),
        drifts=(
            Shares(
                ("business_model",),
                "state_share",
                weight="sum(customers)",
                where="relationship = 'all' and business_model <> 'all'",
            ),
        ),
        gaps=(
            parts_add_up(
                "clv_by_business_model",
                "business_model",
                ["relationship"],
                ["customers", "active_customers", "valued_customers", "total_clv"],
                relative=True,
            ),
            agree(
                "customers_of_account_clv",
                "the whole is that of account_clv",
                ["relationship"],
                ["customers", "active_customers", "valued_customers", "total_clv"],
                "select * from marts.clv_by_business_model where business_model = 'all'",
                BY_RELATIONSHIP,
                relative=True,
            ),
        ),
    ),
    Mart(
        "clv_by_account_manager",
        needs="customers",
        key=("account_manager",),
        needed=("customers", "active_customers", "mrr"),
        shares=("churn_rate_12m", "grr_12m"),
        amounts=("customers", "active_customers", "mrr", "mrr_12m_ago", "customers_churned_12m"),
        intervals=(("ci_low", "churn_rate_12m", "ci_high"), ("grr_12m", "grr_12m", "nrr_12m")),
        rows=False,
        measures=(
            Measure(
                "mean churn rate of twelve months",
                "max(churn_rate_12m) filter (where account_manager = 'all')",
                "state_rate",
                base="max(customers_churned_12m) filter (where account_manager = 'all')",
            ),
        ),
        gaps=(
            parts_add_up(
                "clv_by_account_manager",
                "account_manager",
                [],
                ["customers", "active_customers", "mrr", "mrr_12m_ago", "customers_churned_12m", "residual_clv"],
                relative=True,
            ),
            agree(
                "customers_of_account_clv",
                "all portfolios together are the customers of account_clv",
                ["portfolio"],
                ["customers", "active_customers", "mrr", "residual_clv"],
                """select account_manager as portfolio, customers, active_customers, cast(mrr as double) as mrr,
                    residual_clv
                from marts.clv_by_account_manager where account_manager = 'all'""",
                f"""select 'all' as portfolio, count(*) as customers, count_if(is_active) as active_customers,
                    cast(coalesce(sum(mrr), 0) as double) as mrr, coalesce(sum(residual_clv), 0) as residual_clv
                from marts.account_clv where {CUSTOMERS} having count(*) > 0""",
                relative=True,
            ),
        ),
    ),
    Mart(
        "clv_model_fits",
        needs=None,
        key=("model", "as_of_date", "period_months", "segment_value"),
        nullable_key=("period_months",),
        needed=("status", "n", "is_current"),
        shares=("churn_probability",),
        amounts=("n", "alpha", "beta", "iterations"),
        values=(("model", ("sbg", "geometric", "bgnbd", "gamma_gamma")),),
        rows=False,
        measures=(
            Measure(
                "share of fits that converged",
                "avg(if(status = 'converged', 1e0, 0e0)) filter (where is_current)",
                "state_mean",
                base="count_if(is_current)",
            ),
        ),
        drifts=(Shares(("model", "status"), "fits_share", where="is_current"),),
        gaps=(
            Gap(
                "current_fits_are_current",
                "the current fits are those of the as-of date, and only they",
                """select abs(date_diff('day', as_of_date, {as_of})) as gap, cast(as_of_date as varchar) as place
                from marts.clv_model_fits where is_current
                union all
                select 1 as gap, cast(as_of_date as varchar) as place from marts.clv_model_fits
                where as_of_date = {as_of} and not is_current or as_of_date > {as_of}""",
                0,
                "fresh",
            ),
            Gap(
                "fit_of_the_whole",
                "every kind of model has, for every date and renewal period, one fit of the whole",
                """select abs(1 - count_if(segment_value = 'all')) as gap,
                    concat_ws(' ', min(model), as_of_date) as place
                from marts.clv_model_fits
                group by as_of_date, period_months, if(model in ('sbg', 'geometric'), 'renewal', model)""",
                0,
            ),
        ),
    ),
    Mart(
        "clv_survival",
        needs=None,
        key=("period_months", "segment_value", "period"),
        needed=("model", "model_status"),
        shares=("hazard", "survival", "fitted_hazard", "fitted_survival"),
        amounts=("at_risk", "churned", "period"),
        intervals=(("churned", "churned", "at_risk"),),
        measures=(
            Measure(
                "survival of the first renewals",
                "avg(survival) filter (where segment_value = 'all' and period = 1)",
                "state_mean",
                base="sum(at_risk) filter (where segment_value = 'all' and period = 1)",
            ),
        ),
        gaps=(
            rises_nowhere(
                "clv_survival", ["period_months", "segment_value"], "period", "survival", "survival never rises"
            ),
            rises_nowhere(
                "clv_survival",
                ["period_months", "segment_value"],
                "period",
                "fitted_survival",
                "fitted survival never rises",
            ),
            without_gaps(
                "clv_survival",
                ["period_months", "segment_value"],
                "period",
                "no period of a curve is missing or there twice",
            ),
        ),
    ),
    Mart(
        "clv_backtest",
        needs=None,
        key=("as_of_date", "relationship", "grouping_kind", "group_value"),
        needed=("customers", "customers_unscored", "window_days"),
        amounts=("customers", "customers_unscored", "actual_purchases", "actual_stayed", "predicted_stayed"),
        values=(("relationship", ("contract", "no_contract")),),
        intervals=(("actual_stayed", "actual_stayed", "customers"),),
        measures=(
            Measure(
                "customers in the backtest",
                "sum(customers) filter (where grouping_kind = 'all')",
                "state_count",
                base="max(customers) filter (where grouping_kind = 'all')",
            ),
        ),
        gaps=(
            agree(
                "groups_of_the_whole",
                "the groups of every kind add up to the whole",
                ["as_of_date", "relationship", "grouping_kind"],
                ["customers", "actual_purchases", "actual_stayed"],
                """select as_of_date, relationship, grouping_kind, sum(customers) as customers,
                    sum(actual_purchases) as actual_purchases, sum(actual_stayed) as actual_stayed
                from marts.clv_backtest group by all having sum(customers) > 0""",
                """select w.as_of_date, w.relationship, d.grouping_kind, w.customers, w.actual_purchases,
                    w.actual_stayed
                from (select * from marts.clv_backtest where grouping_kind = 'all' and customers > 0) as w
                inner join (select distinct relationship, as_of_date, grouping_kind from marts.clv_backtest) as d
                    on w.relationship = d.relationship and w.as_of_date = d.as_of_date""",
            ),
            Gap(
                "windows_end_today",
                "every window reaches up to the as-of date",
                """select abs(date_diff('day', as_of_date, {as_of}) - window_days) as gap,
                    cast(as_of_date as varchar) as place from marts.clv_backtest""",
                0,
                "fresh",
            ),
        ),
    ),
    Mart(
        "clv_tracking",
        needs=None,
        key=("as_of_date", "week_number"),
        needed=("week_end", "is_holdout", "actual_repeat_purchases"),
        amounts=("actual_repeat_purchases", "expected_repeat_purchases"),
        measures=(
            Measure(
                "repeat purchases so far",
                "max(actual_repeat_purchases)",
                "state_count",
                base="max(actual_repeat_purchases)",
            ),
        ),
        gaps=(
            without_gaps("clv_tracking", ["as_of_date"], "week_number", "no week is missing or there twice"),
            Gap(
                "purchases_only_grow",
                "what is cumulated never falls",
                """select lag(actual_repeat_purchases) over weeks - actual_repeat_purchases as gap,
                    concat_ws(' ', as_of_date, 'week', week_number) as place
                from marts.clv_tracking window weeks as (partition by as_of_date order by week_number)""",
                0,
            ),
            newest("clv_tracking", "as_of_date", "{as_of}", "the newest model is that of the as-of date"),
        ),
    ),
    Mart(
        "retention_cost",
        needs=None,
        key=("period_grain", "period_start", "category"),
        needed=("cost", "revenue_caused", "net_cost"),
        amounts=("cost", "customers_active", "cost_per_active_customer"),
        values=(("period_grain", GRAINS), ("scope", ("members", "customers"))),
        closed=PERIOD_CLOSED,
        measures=(
            Measure(
                "cost of months",
                "sum(cost) filter (where category = 'all' and period_grain = 'month')",
                "restated_flow",
                "closed",
                "count_if(category = 'all' and period_grain = 'month')",
            ),
        ),
        drifts=(
            Shares(
                ("category",),
                "restated_share",
                "closed",
                weight="sum(cost)",
                where="category <> 'all' and period_grain = 'month'",
            ),
        ),
        gaps=(
            parts_add_up("retention_cost", "category", ["period_grain", "period_start"], ["cost"]),
            agree(
                "grains_agree",
                "months, quarters and years cost the same",
                ["period_grain"],
                ["cost"],
                "select period_grain, sum(cost) as cost from marts.retention_cost where category = 'all' group by all",
                """select g.period_grain, w.cost
                from (select distinct period_grain from marts.retention_cost) as g
                cross join (select sum(cost) as cost from marts.retention_cost
                    where category = 'all' and period_grain = 'month') as w""",
            ),
        ),
    ),
    Mart(
        "acquisition_cost",
        needs=None,
        key=("period_grain", "period_start", "channel"),
        needed=("spend", "customers_won"),
        amounts=("spend", "customers_won", "cac", "payback_months", "first_orders"),
        intervals=(("first_orders", "first_orders", "customers_won"),),
        values=(("period_grain", GRAINS),),
        closed=PERIOD_CLOSED,
        measures=(
            Measure(
                "spend of months",
                "sum(spend) filter (where channel = 'all' and period_grain = 'month')",
                "restated_flow",
                "closed",
                "count_if(channel = 'all' and period_grain = 'month')",
            ),
            Measure(
                "customers won in months",
                "sum(customers_won) filter (where channel = 'all' and period_grain = 'month')",
                "restated_flow",
                "closed",
                "sum(customers_won) filter (where channel = 'all' and period_grain = 'month')",
            ),
        ),
        drifts=(
            Shares(
                ("channel",),
                "restated_share",
                "closed",
                weight="sum(customers_won)",
                where="channel <> 'all' and period_grain = 'month'",
            ),
        ),
        gaps=(
            parts_add_up(
                "acquisition_cost",
                "channel",
                ["period_grain", "period_start"],
                ["spend", "customers_won", "first_orders"],
            ),
            agree(
                "grains_agree",
                "months, quarters and years spent the same",
                ["period_grain"],
                ["spend"],
                """select period_grain, sum(spend) as spend from marts.acquisition_cost where channel = 'all'
                group by all""",
                """select g.period_grain, w.spend
                from (select distinct period_grain from marts.acquisition_cost) as g
                cross join (select sum(spend) as spend from marts.acquisition_cost
                    where channel = 'all' and period_grain = 'month') as w""",
            ),
        ),
    ),
    Mart(
        "churn_cost",
        needs="losses",
        key=("period_grain", "period_start", "segment_dimension", "segment_value"),
        needed=("customers_churned", "customers_returned", "mrr_churned"),
        amounts=("mrr_churned", "customers_returned", "value_unknown_customers", "unrecovered_acquisition_cost"),
        intervals=(("customers_returned", "customers_returned", "customers_churned"),),
        values=(("period_grain", GRAINS),),
        closed=PERIOD_CLOSED,
        measures=(
            Measure(
                "MRR churned in months",
                "sum(mrr_churned) filter (where segment_dimension = 'all' and period_grain = 'month')",
                "restated_flow",
                "closed",
                "sum(customers_churned) filter (where segment_dimension = 'all' and period_grain = 'month')",
            ),
        ),
        gaps=(
            segments_add_up(
                "churn_cost",
                ["period_grain", "period_start"],
                ["customers_churned", "mrr_churned", "residual_value_lost", "unrecovered_acquisition_cost"],
                relative=True,
            ),
            agree(
                "losses_of_churn_by_segment",
                "every segment's losses are those of churn_by_segment",
                ["period_grain", "period_start", "segment_dimension", "segment_value"],
                ["customers_churned", "mrr_churned"],
                "select * from marts.churn_cost",
                "select * from marts.churn_by_segment where customers_churned > 0",
            ),
        ),
    ),
    Mart(
        "retention_what_if",
        needs="running_contracts",
        key=("segment_dimension", "segment_value", "scenario"),
        needed=("customers", "months_observed", "discount_rate_yearly", "horizon_years"),
        shares=("retention_rate_yearly", "retention_rate_new"),
        amounts=("customers", "customers_churned_12m", "customer_months_12m"),
        intervals=(("retention_rate_yearly", "retention_rate_yearly", "retention_rate_new"),),
        measures=(
            Measure(
                "yearly retention rate of the whole",
                "max(retention_rate_yearly) filter (where segment_dimension = 'all')",
                "state_mean",
                base="max(customers) filter (where segment_dimension = 'all')",
            ),
        ),
        gaps=(
            segments_add_up("retention_what_if", ["scenario"], ["customers"]),
            Gap(
                "every_segment_has_every_scenario",
                "every segment has every scenario",
                """select (select count(distinct scenario) from marts.retention_what_if) - count(*) as gap,
                    concat_ws(' ', segment_dimension, segment_value) as place
                from marts.retention_what_if group by segment_dimension, segment_value""",
                0,
            ),
            agree(
                "running_contracts_of_mrr_monthly",
                "the customers of the whole are those at the end of mrr_monthly",
                ["as_of"],
                ["customers"],
                """select 'as-of date' as as_of, coalesce(max(customers), 0) as customers from marts.retention_what_if
                where segment_dimension = 'all'""",
                """select 'as-of date' as as_of, coalesce(arg_max(customers_end, month_start), 0) as customers
                from marts.mrr_monthly""",
            ),
        ),
    ),
    Mart(
        "planned_relationship_clv",
        needs=None,
        key=("relationship_type",),
        needed=("currency", "revenue", "service_cost", "clv"),
        amounts=("revenue", "service_cost", "discount_rate"),
        intervals=(("discounted_revenue", "discounted_revenue", "revenue"),),
        rows=False,
        gaps=(
            Gap(
                "value_is_revenue_less_cost",
                "clv is discounted revenue less discounted service cost",
                """select abs(discounted_revenue - discounted_service_cost - clv) as gap, relationship_type as place
                from marts.planned_relationship_clv""",
            ),
        ),
    ),
)
