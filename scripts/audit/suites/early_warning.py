"""What is expected of the marts of early warning."""

from __future__ import annotations

from ..spec import Bound, Gap, Mart, Measure, Shares, agree, newest, not_of_the_future

BANDS = ("red", "amber", "green", "leaving")
RUNNING = "('open', 'acknowledged', 'muted')"
SCORED = "band <> 'leaving'"
CONTRIBUTIONS = "contribution_signals + contribution_usage + contribution_relationship + contribution_service"


def _adds_up(mart: str) -> Gap:
    return Gap(
        "contributions_are_the_score",
        "intercept and contributions are the log-odds, and the log-odds the probability",
        f"""select greatest(abs(intercept + {CONTRIBUTIONS} - log_odds),
                abs(churn_probability - 1e0 / (1e0 + exp(-log_odds)))) as gap, band as place
            from marts.{mart} where {SCORED}""",
        1e-6,
    )


MARTS = (
    Mart(
        "account_signals",
        needs="signalled",
        key=("account_id", "signal"),
        needed=("as_of_date", "is_fired", "has_data", "threshold", "label"),
        amounts=("mrr_at_risk",),
        values=(("direction", ("above", "below")), ("severity", ("low", "medium", "high"))),
        as_of="as_of_date",
        measures=(
            Measure("customers", "count(distinct account_id)", "state_count", base="count(distinct account_id)"),
            Measure("fired signals", "count_if(is_fired)", "state_rate", base="count_if(is_fired)"),
            Measure("sum of mrr_at_risk", "sum(mrr_at_risk)", "state_rate", base="count_if(is_fired)"),
            Measure(
                "share of signals with data",
                "avg(if(has_data, 1e0, 0e0))",
                "state_mean",
                base="count(distinct account_id)",
            ),
        ),
        drifts=(
            Shares(("signal",), "signals_share", weight="count_if(is_fired)"),
            Shares(("severity",), "state_share", where="is_fired"),
        ),
        gaps=(
            Gap(
                "every_customer_has_every_signal",
                "every customer has every signal",
                """select abs(count(*) - (select count(distinct account_id) from marts.account_signals)) as gap,
                    signal as place
                from marts.account_signals group by signal""",
                0,
            ),
            Gap(
                "nothing_known_is_not_fired",
                "a signal without data has no value and is not fired, a fired one says why",
                """select signal as place, count_if(not has_data and (is_fired or value is not null))
                    + count_if(is_fired and (explanation is null or fired_since is null or severity is null)) as gap
                from marts.account_signals group by signal""",
                0,
            ),
        ),
    ),
    Mart(
        "signal_history",
        needs="signalled",
        key=("grid", "account_id", "signal", "as_of_date"),
        needed=("is_fired", "has_data", "threshold"),
        amounts=("mrr_at_risk",),
        values=(
            ("grid", ("month", "day")),
            ("direction", ("above", "below")),
            ("severity", ("low", "medium", "high")),
        ),
        closed="grid = 'month' and as_of_date < {common}",
        measures=(
            Measure(
                "fired signals at month starts", "count_if(is_fired)", "point_in_time", "closed", "count_if(is_fired)"
            ),
        ),
        drifts=(Shares(("signal",), "restated_share", "closed", weight="count_if(is_fired)"),),
        gaps=(
            Gap(
                "every_customer_has_every_signal",
                "every customer of a month start has every signal",
                """select count(distinct account_id) * (select count(distinct signal) from marts.signal_history
                        where grid = 'month') - count(*) as gap, cast(as_of_date as varchar) as place
                from marts.signal_history where grid = 'month' group by as_of_date""",
                0,
            ),
            newest(
                "signal_history",
                "as_of_date",
                "date_trunc('month', {as_of})",
                "the newest month start is that of the as-of date",
                where="grid = 'month'",
            ),
            not_of_the_future("signal_history", "as_of_date", "no episode begins after the as-of date"),
        ),
    ),
    Mart(
        "account_health",
        needs="running_contracts",
        key=("account_id",),
        needed=("as_of_date", "churn_probability", "health_score", "band", "mrr", "revenue_at_risk", "model_status"),
        shares=("churn_probability", "data_coverage"),
        amounts=("mrr", "revenue_at_risk"),
        intervals=(("revenue_at_risk", "revenue_at_risk", "mrr"),),
        values=(("band", BANDS), ("model_status", ("converged", "priors_only", "known_end"))),
        as_of="as_of_date",
        measures=(
            Measure("sum of mrr", "sum(mrr)", "state_sum"),
            Measure("mean churn_probability", "avg(churn_probability)", "state_rate", base="sum(churn_probability)"),
            Measure("sum of revenue_at_risk", "sum(revenue_at_risk)", "state_rate", base="sum(churn_probability)"),
            Measure("mean data_coverage", "avg(data_coverage)", "state_mean"),
        ),
        drifts=(Shares(("band", "model_status"), "state_share"),),
        gaps=(
            _adds_up("account_health"),
            agree(
                "contracts_of_account_signals",
                "the customers are those that account_signals has with a contract",
                ["as_of_date"],
                ["customers"],
                "select as_of_date, count(*) as customers from marts.account_health group by all",
                """select as_of_date, count(distinct account_id) as customers from marts.account_signals
                where mrr_at_risk is not null group by all""",
            ),
            agree(
                "contracts_of_mrr_monthly",
                "the customers and their MRR are those at the end of mrr_monthly",
                ["as_of"],
                ["customers", "mrr"],
                """select 'as-of date' as as_of, count(*) as customers, coalesce(sum(mrr), 0) as mrr
                from marts.account_health""",
                """select 'as-of date' as as_of, coalesce(arg_max(customers_end, month_start), 0) as customers,
                    coalesce(arg_max(mrr_end, month_start), 0) as mrr
                from marts.mrr_monthly""",
            ),
        ),
        bounds=(
            Bound(
                "mean_churn_probability",
                f"select avg(churn_probability) from marts.account_health where {SCORED} having count(*) >= 30",
                "mean_churn_probability",
                "mean churn probability of those who are scored",
            ),
            Bound(
                "share_in_red",
                "select 100e0 * avg(if(band = 'red', 1e0, 0e0)) from marts.account_health having count(*) >= 30",
                "share_in_red",
                "share of the customers in the band red",
            ),
        ),
    ),
    Mart(
        "health_contributions",
        needs=None,
        key=("account_id", "feature"),
        needed=("as_of_date", "contribution", "feature_group", "rank_of_risk"),
        values=(("feature_group", ("signals", "usage", "relationship", "service")),),
        as_of="as_of_date",
        drifts=(Shares(("feature_group",), "state_share"),),
        gaps=(
            agree(
                "contributions_of_account_health",
                "the contributions of each group add up to those of account_health",
                ["feature_group"],
                ["contribution"],
                "select feature_group, sum(contribution) as contribution from marts.health_contributions group by all",
                """select * from (unpivot (
                        select coalesce(sum(contribution_signals), 0) as signals,
                            coalesce(sum(contribution_usage), 0) as usage,
                            coalesce(sum(contribution_relationship), 0) as relationship,
                            coalesce(sum(contribution_service), 0) as service
                        from marts.account_health
                    ) on signals, usage, relationship, service into name feature_group value contribution)""",
                relative=True,
            ),
        ),
    ),
    Mart(
        "health_history",
        needs="running_contracts",
        key=("account_id", "as_of_date"),
        needed=("churn_probability", "health_score", "band", "mrr", "model_status"),
        shares=("churn_probability", "data_coverage"),
        amounts=("mrr", "revenue_at_risk"),
        intervals=(("revenue_at_risk", "revenue_at_risk", "mrr"),),
        values=(("band", BANDS), ("model_status", ("converged", "priors_only", "known_end"))),
        closed="as_of_date < {common}",
        fixed=("band", "mrr"),
        measures=(
            Measure(
                "mean churn_probability", "avg(churn_probability)", "point_in_time", "closed", "sum(churn_probability)"
            ),
            Measure("sum of mrr", "sum(mrr)", "point_in_time", "closed", "count(distinct account_id)"),
        ),
        drifts=(Shares(("band", "model_status"), "restated_share", "closed"),),
        gaps=(
            _adds_up("health_history"),
            agree(
                "contracts_of_signal_history",
                "the customers of a month start are those that signal_history has with a contract",
                ["as_of_date"],
                ["customers"],
                "select as_of_date, count(*) as customers from marts.health_history group by all",
                """select as_of_date, count(distinct account_id) as customers from marts.signal_history
                where grid = 'month' and mrr_at_risk is not null group by all""",
            ),
            newest(
                "health_history",
                "as_of_date",
                "date_trunc('month', {as_of})",
                "the newest month start is that of the as-of date",
            ),
        ),
    ),
    Mart(
        "alerts",
        needs=None,
        key=("alert_id",),
        needed=("account_id", "signal", "status", "owner", "opened_on", "due_on", "why", "recommended_action"),
        amounts=("mrr", "revenue_at_risk"),
        values=(
            ("status", ("open", "acknowledged", "resolved", "expired", "muted")),
            ("severity", ("low", "medium", "high")),
            ("last_verdict", ("acknowledged", "acted", "not_relevant")),
        ),
        as_of="as_of_date",
        measures=(Measure("open alerts", "count_if(status = 'open')", "state_rate", base="count_if(status = 'open')"),),
        drifts=(
            Shares(("status",), "alerts_share"),
            Shares(("severity",), "state_share"),
            Shares(("signal",), "signals_share"),
        ),
        gaps=(
            agree(
                "running_alerts_are_fired",
                "every running alert is a signal that is fired in account_signals",
                ["signal"],
                ["alerts"],
                f"select signal, count(*) as alerts from marts.alerts where status in {RUNNING} group by all",
                f"""select signal, count(*) as alerts from marts.account_signals
                where is_fired and episode_id in (select alert_id from marts.alerts where status in {RUNNING})
                group by all""",
            ),
            Gap(
                "one_running_alert",
                "an account has at most one running alert of a signal",
                f"""select count(*) - 1 as gap, signal as place from marts.alerts
                where status in {RUNNING} group by account_id, signal""",
                0,
            ),
            Gap(
                "priorities_count_up",
                "the open alerts are ranked from 1 on without a gap",
                """select abs(max(priority) - count(*)) as gap, 'open alerts' as place from marts.alerts
                where status = 'open' having count(*) > 0""",
                0,
            ),
            agree(
                "episodes_of_signal_history",
                "every alert is an episode of signal_history, none is missing and none opened after the as-of date",
                ["signal"],
                ["alerts"],
                "select signal, count(*) as alerts from marts.alerts group by all",
                """select signal, count(*) as alerts from marts.signal_history
                where grid = 'day' and as_of_date <= {as_of}
                    and signal in (select signal from marts.alerts)
                group by all""",
            ),
        ),
    ),
    Mart(
        "alert_outcomes",
        needs="alerts",
        key=("alert_id",),
        needed=("account_id", "signal", "action_taken", "outcome", "opened_on"),
        amounts=("mrr", "lead_days"),
        values=(
            ("action_taken", ("acted", "acknowledged", "not_relevant", "none")),
            ("outcome", ("lost", "saved", "still_open")),
            ("relationship", ("contract", "no_contract")),
        ),
        closed="opened_on < {common} - interval 180 day",
        measures=(
            Measure(
                "alerts lost", "count_if(outcome = 'lost')", "restated_flow", "closed", "count_if(outcome = 'lost')"
            ),
        ),
        drifts=(Shares(("outcome", "relationship"), "restated_share", "closed"),),
        gaps=(
            agree(
                "outcomes_of_alerts",
                "every alert has its outcome",
                ["signal"],
                ["alerts"],
                "select signal, count(*) as alerts from marts.alerts group by all",
                """select signal, count(*) as alerts from marts.alert_outcomes
                where alert_id in (select alert_id from marts.alerts) group by all""",
            ),
            not_of_the_future("alert_outcomes", "opened_on", "no alert was opened after the as-of date"),
        ),
    ),
    Mart(
        "champion_change_churn",
        needs="always",
        key=("champion",),
        needed=("window_months", "churned"),
        shares=("churn_rate", "benchmark_rate"),
        amounts=("departures", "account_months", "churned"),
        intervals=(("ci_low", "churn_rate", "ci_high"),),
        values=(("champion", ("left", "stayed")),),
        rows=False,
        measures=(
            Measure(
                "months of customers whose champion stayed",
                "sum(account_months)",
                "state_count",
                base="sum(account_months)",
            ),
            Measure("departures", "sum(departures)", "state_rate", base="sum(departures)"),
        ),
        gaps=(
            Gap(
                "both_are_there",
                "there is a row for those who left and one for those who stayed",
                """select 1 as gap, champion as place from (select unnest(['left', 'stayed']) as champion)
                where champion not in (select champion from marts.champion_change_churn)""",
                0,
            ),
        ),
    ),
    Mart(
        "zombie_accounts",
        needs=None,
        key=("account_id",),
        needed=("days_unused", "mrr", "proposal", "proposed_mrr", "saving_mrr"),
        shares=("churn_probability",),
        amounts=("mrr", "proposed_mrr", "saving_mrr", "days_unused", "active_users_90"),
        values=(("proposal", ("smaller_plan", "pause")),),
        gaps=(
            agree(
                "paid_unused_of_account_signals",
                "there is one row for every contract whose signal paid_unused is fired",
                ["signal"],
                ["customers"],
                "select 'paid_unused' as signal, count(*) as customers from marts.zombie_accounts",
                """select 'paid_unused' as signal, count_if(is_fired and mrr_at_risk is not null) as customers
                from marts.account_signals where signal = 'paid_unused'""",
            ),
            Gap(
                "savings_are_given_up",
                "what is proposed and what is saved is what is paid",
                "select abs(proposed_mrr + saving_mrr - mrr) as gap, proposal as place from marts.zombie_accounts",
            ),
        ),
    ),
    Mart(
        "signal_backtest",
        needs="always",
        key=("signal",),
        needed=("observations", "fired", "churned", "fired_churned"),
        shares=("base_rate", "precision", "recall", "revenue_weighted_recall", "churn_rate_not_fired"),
        amounts=("observations", "fired", "churned", "fired_churned", "lift", "still_open", "known_end"),
        intervals=(
            ("precision_low", "precision", "precision_high"),
            ("lift_low", "lift", "lift_high"),
            ("fired_churned", "fired", "observations"),
            ("churns_warned", "churns", "churned"),
        ),
        rows=False,
        measures=(
            Measure("observations", "max(observations)", "state_count", base="max(churned)"),
            Measure("base rate", "max(base_rate)", "state_rate", base="max(churned)"),
        ),
        gaps=(
            agree(
                "signals_of_account_signals",
                "the signals are those of account_signals",
                ["signal"],
                ["signals"],
                """select signal, 1 as signals from marts.signal_backtest
                where exists (select 1 from marts.account_signals)""",
                "select distinct signal, 1 as signals from marts.account_signals",
            ),
        ),
    ),
    Mart(
        "health_backtest",
        needs=None,
        key=("as_of_date", "split", "ranking"),
        needed=("observations", "churned"),
        shares=("base_rate", "auc", "brier", "precision_at_capacity", "recall_at_capacity", "mean_probability"),
        amounts=("observations", "churned", "lift_10pct"),
        intervals=(
            ("auc_low", "auc", "auc_high"),
            ("churned", "churned", "observations"),
            ("churns_warned", "churns", "churned"),
        ),
        values=(
            ("split", ("train", "test", "prior")),
            ("ranking", ("health", "tenure", "mrr", "random")),
        ),
        measures=(
            Measure(
                "AUC of the score",
                "max(auc) filter (where ranking = 'health' and split = 'test' and as_of_date = 'all')",
                "state_mean",
                base="max(churned) filter (where ranking = 'health' and split = 'test' and as_of_date = 'all')",
            ),
            Measure(
                "Brier score",
                "max(brier) filter (where ranking = 'health' and split = 'test' and as_of_date = 'all')",
                "state_rate",
                base="max(churned) filter (where ranking = 'health' and split = 'test' and as_of_date = 'all')",
            ),
        ),
        gaps=(
            Gap(
                "every_ranking",
                "every evaluation has the score and its three baselines, over the same observations",
                """select abs(count(*) - 4) + max(observations) - min(observations) as gap,
                    concat_ws(' ', split, as_of_date) as place
                from marts.health_backtest group by split, as_of_date""",
                0,
            ),
            agree(
                "dates_add_up",
                "the dates of a split add up to all of them",
                ["split"],
                ["observations", "churned"],
                """select split, sum(observations) as observations, sum(churned) as churned from marts.health_backtest
                where as_of_date <> 'all' and ranking = 'health' group by all""",
                """select split, observations, churned from marts.health_backtest
                where as_of_date = 'all' and ranking = 'health' and split <> 'train'""",
            ),
        ),
        bounds=(
            Bound(
                "auc_of_the_score",
                """select max(auc) from marts.health_backtest
                where ranking = 'health' and split = 'test' and as_of_date = 'all' and not is_small_base""",
                "auc_of_the_score",
                "share of pairs that the score, as given then, put in the right order",
            ),
        ),
    ),
    Mart(
        "health_calibration",
        needs=None,
        key=("split", "bin"),
        needed=("observations", "churned", "mean_probability"),
        shares=("mean_probability", "churn_rate", "probability_low", "probability_high"),
        amounts=("observations", "churned"),
        intervals=(
            ("ci_low", "churn_rate", "ci_high"),
            ("probability_low", "mean_probability", "probability_high"),
            ("churned", "churned", "observations"),
        ),
        values=(("split", ("train", "test", "prior")),),
        rows=False,
        gaps=(
            agree(
                "observations_of_health_backtest",
                "the bins of a split hold what health_backtest has judged",
                ["split"],
                ["observations", "churned"],
                """select split, sum(observations) as observations, sum(churned) as churned
                from marts.health_calibration group by all""",
                """select split, observations, churned from marts.health_backtest
                where as_of_date = 'all' and ranking = 'health'""",
            ),
            Gap(
                "bins_count_up",
                "the bins are numbered from 1 without a gap",
                "select max(bin) - count(*) as gap, split as place from marts.health_calibration group by split",
                0,
            ),
        ),
    ),
)
