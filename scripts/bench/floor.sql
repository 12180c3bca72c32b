/*
  The floor: the core marts from the input files in one script, as one would write it who needs these marts from these
  files and nothing else. It reads the rows the project reads, holds them to the same rules, refuses the same ones with
  the same reasons, and makes mrr_monthly, cohort_retention and churn_by_segment (without benchmarks) to the last digit.
  account_signals says value and baseline as of the day itself (20 of 21 signals, no episodes, no texts), account_clv what
  is history and no model (docs/benchmarks.md). Choices are the project's defaults; money is in euro.

  What makes it quick: accounts become numbers once; usage is never stored, but read three times; who stays the same
  from one change to the next is one row, however many weeks that are.

  Variables: files (folder), as_of (date).
*/

create schema floor;
create macro text_of(raw) as nullif(trim(raw), '');
create macro is_broken(text) as regexp_matches(text, '[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x{fffd}]');
create macro as_of() as getvariable('as_of');
create macro as_of_moment() as cast(getvariable('as_of') as timestamp);
create macro open_end() as date '9999-12-31';
create macro months_from(a, b) as (year(b) - year(a)) * 12 + month(b) - month(a);
create macro plus_months(day, months) as cast(day + to_months(cast(months as integer)) as date);
create macro whole_months(a, b) as
    months_from(a, b) - case when plus_months(a, months_from(a, b)) > b then 1 else 0 end;
create macro interval_start(billed_from, months, day) as
    plus_months(billed_from, months * cast(floor(cast(whole_months(billed_from, day) as double) / months) as integer));
create macro in_euro(amount, rate) as
    cast(round(cast(amount as decimal(19, 4)) * cast(rate as decimal(18, 8)), 4) as decimal(38, 4));
create macro total(amount) as cast(coalesce(sum(amount), 0) as decimal(38, 4));
create macro per_month(amount, quantity, months) as cast((
    cast(cast(amount as decimal(38, 4)) * 10000 as hugeint) * cast(cast(quantity as decimal(38, 4)) * 10000 as hugeint)
    + 5000 * months
) // (10000 * months) * cast(0.0001 as decimal(5, 4)) as decimal(18, 4));
create macro scaled(amount, numerator, denominator) as cast((
    2 * cast(cast(amount as decimal(38, 4)) * 10000 as hugeint) * cast(numerator as hugeint) + cast(denominator as hugeint)
) // (2 * cast(denominator as hugeint)) * cast(0.0001 as decimal(5, 4)) as decimal(38, 4));
create macro scaled_money(amount, numerator, denominator) as
    scaled(amount, cast(cast(numerator as decimal(38, 4)) * 10000 as hugeint), cast(cast(denominator as decimal(38, 4)) * 10000 as hugeint));
create macro ratio(a, b) as case when b <> 0 then cast(a as double) / cast(b as double) end;
create macro wilson(x, n, side) as (
    cast(x as double) + 1.959963984540054e0 * 1.959963984540054e0 / 2e0
    + side * (1.959963984540054e0 * sqrt(
        cast(x as double) * (cast(n as double) - cast(x as double)) / cast(n as double)
        + 1.959963984540054e0 * 1.959963984540054e0 / 4e0
    ))
) / (cast(n as double) + 1.959963984540054e0 * 1.959963984540054e0);
create macro wilson_low(x, n) as
    case when n > 0 then greatest(0e0, least(cast(x as double) / cast(n as double), wilson(x, n, -1))) end;
create macro wilson_high(x, n) as
    case when n > 0 then least(1e0, greatest(cast(x as double) / cast(n as double), wilson(x, n, 1))) end;
create macro is_currency(code) as code in (
    'AED', 'ARS', 'AUD', 'BGN', 'BRL', 'CAD', 'CHF', 'CLP', 'CNY', 'COP', 'CZK', 'DKK', 'EUR', 'GBP', 'HKD', 'HUF', 'IDR',
    'ILS', 'INR', 'ISK', 'JPY', 'KRW', 'MXN', 'MYR', 'NOK', 'NZD', 'PEN', 'PHP', 'PLN', 'RON', 'RUB', 'SAR', 'SEK', 'SGD',
    'THB', 'TRY', 'TWD', 'UAH', 'USD', 'VND', 'ZAR'
);
create macro mark(is_so, reason) as case when is_so then reason end;
create macro found(reasons) as nullif(reasons, '');

create table floor.quarantine (entity varchar, reasons varchar, raw_row varchar);

-- === accounts ======================================================================================================
create temp table read_accounts as
with parsed as (
    select
        * exclude (account_id, business_model, company_size),
        text_of(account_id) as account_id,
        text_of(business_model) as business_model,
        text_of(company_size) as company_size,
        coalesce(recorded_at, cast(acquired_on as timestamp) - interval 1 second, timestamp '1900-01-01') as known_at
    from read_parquet(getvariable('files') || '/accounts/*.parquet')
)

select
    *,
    found(concat_ws(
        ',',
        mark(account_id is null, 'missing_key'),
        mark(
            is_broken(concat_ws(
                ' ', account_id, account_name, merged_into, business_model, industry, company_size, country_code, region,
                acquisition_channel, currency
            )),
            'broken_encoding'
        ),
        mark(length(account_id) > 255, 'over_long:account_id'),
        mark(length(account_name) > 1000, 'over_long:account_name'),
        mark(length(country_code) > 2, 'over_long:country_code'),
        mark(
            business_model not in ('b2b_contract', 'b2c_subscription', 'b2c_shop'), 'not_in_list:business_model'
        ),
        mark(company_size not in ('small', 'mid', 'large'), 'not_in_list:company_size'),
        mark(not is_currency(upper(currency)), 'unknown_currency'),
        mark(acquired_on > closed_on, 'impossible_date_order:acquired_on/closed_on')
    )) as reasons
from parsed;

create temp table account_contest as
select
    *,
    row_number() over (partition by account_id, known_at order by account_name, company_size) as copy,
    max(known_at) over (partition by account_id) as newest_at
from read_accounts
where reasons is null and known_at < as_of_moment();

insert into floor.quarantine
select 'accounts', reasons, cast(to_json(r) as varchar) from read_accounts as r where reasons is not null
union all
select 'accounts', 'duplicate', cast(to_json(r) as varchar) from account_contest as r where copy > 1;

create temp table current_accounts as
select row_number() over (order by account_id) - 1 as n, * from account_contest where copy = 1 and known_at = newest_at;

-- every key that rows may name: whom they count for, and whether they count at all; merges of merges do not occur here
create temp table account_keys as
select
    account.account_id,
    coalesce(survivor.n, account.n) as n,
    coalesce(account.is_test, false) or coalesce(survivor.is_test, false) as is_test,
    'accepted' as state
from current_accounts as account
left join current_accounts as survivor on account.merged_into = survivor.account_id
union all
select distinct account_id, cast(null as bigint), false, 'quarantined'
from read_accounts
where account_id is not null and account_id not in (select account_id from current_accounts);

create temp table accounts as
select * from current_accounts
where merged_into is null and not coalesce(is_test, false);

create macro parent_reason(account_id, known, state) as case
    when account_id is null then null
    when known is null then 'unknown_account'
    when state = 'quarantined' then 'parent_quarantined'
end;

-- === what describes accounts =======================================================================================
create temp table read_history as
select
    h.* exclude (account_id),
    text_of(h.account_id) as account_id,
    k.n,
    h.recorded_at as known_at,
    found(concat_ws(
        ',',
        mark(text_of(h.account_id) is null or valid_from is null, 'missing_key'),
        mark(is_broken(concat_ws(' ', h.account_id, industry, company_size, region)), 'broken_encoding'),
        mark(company_size not in ('small', 'mid', 'large'), 'not_in_list:company_size'),
        parent_reason(text_of(h.account_id), k.account_id, k.state)
    )) as reasons
from read_parquet(getvariable('files') || '/account_history/*.parquet') as h
left join account_keys as k on text_of(h.account_id) = k.account_id;

create temp table read_managers as
select
    m.* exclude (account_id),
    text_of(m.account_id) as account_id,
    k.n,
    m.recorded_at as known_at,
    found(concat_ws(
        ',',
        mark(text_of(m.account_id) is null or valid_from is null, 'missing_key'),
        mark(text_of(account_manager_id) is null, 'missing_value:account_manager_id'),
        mark(is_broken(concat_ws(' ', m.account_id, account_manager_id)), 'broken_encoding'),
        parent_reason(text_of(m.account_id), k.account_id, k.state)
    )) as reasons
from read_parquet(getvariable('files') || '/account_managers/*.parquet') as m
left join account_keys as k on text_of(m.account_id) = k.account_id;

insert into floor.quarantine
select 'account_history', reasons, cast(to_json(r) as varchar) from read_history as r where reasons is not null
union all
select 'account_managers', reasons, cast(to_json(r) as varchar) from read_managers as r where reasons is not null;

create temp table history as
select
    n,
    industry,
    company_size,
    region,
    case when row_number() over (partition by n order by valid_from) = 1 then date '0001-01-01' else valid_from end as holds_from,
    coalesce(lead(valid_from) over (partition by n order by valid_from), open_end()) as holds_to
from (
    select * from read_history
    where reasons is null and known_at < as_of_moment() and account_id in (select account_id from accounts)
    qualify row_number() over (partition by account_id, valid_from order by known_at desc, company_size) = 1
);

create temp table managers as
select
    n,
    account_manager_id,
    valid_from,
    coalesce(lead(valid_from) over (partition by n order by valid_from), open_end()) as valid_to
from (
    select * from read_managers
    where reasons is null and known_at < as_of_moment() and account_id in (select account_id from accounts)
    qualify row_number() over (partition by account_id, valid_from order by known_at desc, account_manager_id) = 1
);

-- === rates =========================================================================================================
create temp table read_rates as
select
    *,
    found(concat_ws(
        ',',
        mark(text_of(currency) is null or text_of(quote_currency) is null or rate_on is null, 'missing_key'),
        mark(rate is null, 'missing_value:rate'),
        mark(is_broken(concat_ws(' ', currency, quote_currency)), 'broken_encoding'),
        mark(not is_currency(upper(currency)) or not is_currency(upper(quote_currency)), 'unknown_currency'),
        mark(rate <= 0, 'not_positive:rate')
    )) as reasons
from read_parquet(getvariable('files') || '/fx_rates/*.parquet');

insert into floor.quarantine
select 'fx_rates', reasons, cast(to_json(r) as varchar) from read_rates as r where reasons is not null;

create temp table rates as
with known as (
    select
        upper(currency) as currency,
        rate_on,
        rate,
        lead(rate_on) over (partition by upper(currency) order by rate_on) as next_on
    from read_rates
    where reasons is null and upper(quote_currency) = 'EUR' and rate_on <= as_of() and recorded_at < as_of_moment()
)

select
    currency,
    cast(rate_on + cast(i as integer) as date) as rate_for,
    cast(rate as decimal(18, 8)) as rate
from known, range(0, 8) as ages (i)
where rate_on + cast(i as integer) < coalesce(next_on, open_end());

-- === people ========================================================================================================
create temp table read_contacts as
select
    c.* exclude (account_id),
    text_of(c.account_id) as account_id,
    k.n,
    k.is_test,
    coalesce(recorded_at, created_at) as known_at,
    found(concat_ws(
        ',',
        mark(text_of(contact_id) is null, 'missing_key'),
        mark(text_of(c.account_id) is null, 'missing_value:account_id'),
        mark(is_broken(concat_ws(' ', contact_id, c.account_id, full_name, email, language)), 'broken_encoding'),
        mark(length(contact_id) > 255, 'over_long:contact_id'),
        mark(length(full_name) > 1000, 'over_long:full_name'),
        mark(length(email) > 1000, 'over_long:email'),
        mark(created_at > left_at, 'impossible_date_order:created_at/left_at'),
        mark(created_at > recorded_at + interval 1 day, 'event_after_recorded'),
        parent_reason(text_of(c.account_id), k.account_id, k.state)
    )) as reasons
from read_parquet(getvariable('files') || '/contacts/*.parquet') as c
left join account_keys as k on text_of(c.account_id) = k.account_id;

create temp table contact_contest as
select
    *,
    row_number() over (partition by contact_id, known_at order by account_id, full_name) as copy,
    max(known_at) over (partition by contact_id) as newest_at
from read_contacts
where reasons is null and known_at < as_of_moment();

create temp table contacts as
select * from contact_contest where copy = 1 and known_at = newest_at;

create temp table read_roles as
select
    r.*,
    c.n,
    coalesce(c.is_test, false) as is_test,
    found(concat_ws(
        ',',
        mark(text_of(r.contact_id) is null or text_of(role) is null or valid_from is null, 'missing_key'),
        mark(is_broken(concat_ws(' ', r.contact_id, role)), 'broken_encoding'),
        mark(role not in ('champion', 'decision_maker', 'power_user', 'user', 'billing'), 'not_in_list:role'),
        case
            when r.contact_id is null or c.contact_id is not null then null
            when r.contact_id in (select contact_id from read_contacts) then 'parent_quarantined'
            else 'unknown_contact'
        end
    )) as reasons
from read_parquet(getvariable('files') || '/contact_roles/*.parquet') as r
left join contacts as c on r.contact_id = c.contact_id;

insert into floor.quarantine
select 'contacts', reasons, cast(to_json(r) as varchar) from read_contacts as r where reasons is not null
union all
select 'contacts', 'duplicate', cast(to_json(r) as varchar) from contact_contest as r where copy > 1
union all
select 'contact_roles', reasons, cast(to_json(r) as varchar) from read_roles as r where reasons is not null;

-- === subscriptions =================================================================================================
create temp table read_subscriptions as
select
    s.* exclude (account_id, currency, quantity),
    text_of(s.account_id) as account_id,
    upper(text_of(s.currency)) as currency,
    coalesce(s.quantity, 1) as quantity,
    k.n,
    coalesce(k.is_test, false) as is_test,
    coalesce(recorded_at, cast(valid_from as timestamp) - interval 1 second) as known_at,
    found(concat_ws(
        ',',
        mark(text_of(subscription_id) is null or valid_from is null, 'missing_key'),
        mark(text_of(s.account_id) is null, 'missing_value:account_id'),
        mark(amount is null, 'missing_value:amount'),
        mark(text_of(s.currency) is null, 'missing_value:currency'),
        mark(billing_interval_months is null, 'missing_value:billing_interval_months'),
        mark(is_broken(concat_ws(' ', subscription_id, s.account_id, product, plan, s.currency)), 'broken_encoding'),
        mark(length(subscription_id) > 255, 'over_long:subscription_id'),
        mark(not is_currency(upper(text_of(s.currency))), 'unknown_currency'),
        mark(s.quantity < 0, 'negative:quantity'),
        mark(amount < 0, 'negative:amount'),
        mark(list_amount < 0, 'negative:list_amount'),
        mark(billing_interval_months <= 0, 'not_positive:billing_interval_months'),
        mark(contract_term_months < 0, 'negative:contract_term_months'),
        mark(valid_from > valid_to, 'impossible_date_order:valid_from/valid_to'),
        parent_reason(text_of(s.account_id), k.account_id, k.state)
    )) as reasons
from read_parquet(getvariable('files') || '/subscriptions/*.parquet') as s
left join account_keys as k on text_of(s.account_id) = k.account_id;

create temp table subscription_contest as
select
    *,
    row_number() over (partition by subscription_id, valid_from, known_at order by amount, quantity) as copy,
    max(known_at) over (partition by subscription_id, valid_from) as newest_at
from read_subscriptions
where reasons is null and known_at < as_of_moment();

insert into floor.quarantine
select 'subscriptions', reasons, cast(to_json(r) as varchar) from read_subscriptions as r where reasons is not null
union all
select 'subscriptions', 'duplicate', cast(to_json(r) as varchar) from subscription_contest as r where copy > 1;

create temp table versions as
with effective as (
    select
        *,
        coalesce(case when valid_to <= as_of() then valid_to end, open_end()) as ends_on
    from subscription_contest
    where
        copy = 1 and known_at = newest_at and not is_test and valid_from <= as_of()
        and (valid_to is null or valid_to > valid_from or valid_to > as_of())
),

chained as (
    select
        *,
        least(ends_on, coalesce(lead(valid_from) over (partition by subscription_id order by valid_from), open_end())) as in_force_to
    from effective
)

select
    n,
    subscription_id,
    plan,
    currency,
    billing_interval_months,
    contract_term_months,
    notice_given_on,
    valid_from,
    in_force_to as valid_to,
    case
        when coalesce(is_paused, false) then cast(0 as decimal(18, 4))
        else per_month(amount, quantity, billing_interval_months)
    end as mrr_original,
    case
        when not coalesce(is_paused, false) and list_amount > amount
            then per_month(list_amount - amount, quantity, billing_interval_months)
        else cast(0 as decimal(18, 4))
    end as discount_original
from chained
where in_force_to > valid_from and not coalesce(is_trial, false);

create temp table first_rates as
select
    f.n,
    f.currency,
    case when f.currency = 'EUR' then cast(1 as decimal(18, 8)) else rates.rate end as first_rate
from (select n, currency, min(valid_from) as first_on from versions group by all) as f
left join rates on f.currency = rates.currency and f.first_on = rates.rate_for;

create temp table spells as
select
    n,
    min(valid_from) as spell_start,
    max(valid_to) as spell_end
from (
    select
        *,
        sum(case when valid_from <= covered_to then 0 else 1 end) over (
            partition by n order by valid_from, valid_to, subscription_id rows between unbounded preceding and current row
        ) as spell
    from (
        select
            *,
            max(valid_to) over (
                partition by n order by valid_from, valid_to, subscription_id rows between unbounded preceding and 1 preceding
            ) as covered_to
        from versions
    )
)
group by n, spell;

create temp table first_days as
select n, min(spell_start) as first_day from spells group by n;

-- === orders ========================================================================================================
create temp table read_orders as
select
    text_of(order_id) as order_id,
    k.n,
    coalesce(k.is_test, false) as is_test,
    ordered_at,
    try_cast(amount as decimal(18, 4)) as amount,
    coalesce(discount_amount, 0) as discount_amount,
    coalesce(returned_amount, 0) as returned_amount,
    upper(text_of(currency)) as currency,
    coalesce(recorded_at, ordered_at) as known_at,
    hash(text_of(order_id)) as fingerprint,
    found(concat_ws(
        ',',
        mark(text_of(order_id) is null, 'missing_key'),
        mark(text_of(o.account_id) is null, 'missing_value:account_id'),
        mark(ordered_at is null, 'missing_value:ordered_at'),
        mark(text_of(amount) is null, 'missing_value:amount'),
        mark(text_of(currency) is null, 'missing_value:currency'),
        mark(try_cast(amount as decimal(18, 4)) is null and text_of(amount) is not null, 'unparsable:amount'),
        mark(
            is_broken(order_id) or is_broken(o.account_id) or is_broken(currency) or is_broken(category)
            or is_broken(promotion_code),
            'broken_encoding'
        ),
        mark(length(order_id) > 255, 'over_long:order_id'),
        mark(length(category) > 1000, 'over_long:category'),
        mark(not is_currency(upper(text_of(currency))), 'unknown_currency'),
        mark(try_cast(amount as decimal(18, 4)) < 0, 'negative:amount'),
        mark(discount_amount < 0, 'negative:discount_amount'),
        mark(cost_amount < 0, 'negative:cost_amount'),
        mark(returned_amount < 0, 'negative:returned_amount'),
        mark(ordered_at > recorded_at + interval 1 day, 'event_after_recorded'),
        parent_reason(text_of(o.account_id), k.account_id, k.state)
    )) as reasons
from read_parquet(getvariable('files') || '/orders/*.parquet') as o
left join account_keys as k on text_of(o.account_id) = k.account_id;

create temp table order_repeats as
select
    order_id,
    known_at,
    amount,
    ordered_at,
    row_number() over (partition by order_id, known_at order by n, ordered_at, amount) as copy,
    dense_rank() over (partition by order_id, known_at order by n, ordered_at, amount) as content,
    max(known_at) over (partition by order_id) as newest_at
from read_orders
where
    reasons is null and known_at < as_of_moment()
    and fingerprint in (select fingerprint from read_orders group by fingerprint having count(*) > 1);

insert into floor.quarantine
select 'orders', reasons, cast(to_json(r) as varchar) from read_orders as r where reasons is not null
union all
select 'orders', case when content = 1 then 'duplicate' else 'conflicting_duplicate' end, cast(to_json(r) as varchar)
from order_repeats as r
where copy > 1;

create temp table orders as
with accepted as (
    select n, ordered_at, amount, discount_amount, returned_amount, currency, known_at
    from read_orders
    where
        reasons is null and not is_test and known_at < as_of_moment()
        and order_id not in (select order_id from order_repeats)
    union all
    select distinct o.n, o.ordered_at, o.amount, o.discount_amount, o.returned_amount, o.currency, o.known_at
    from read_orders as o
    inner join order_repeats as r
        on o.order_id = r.order_id and o.known_at = r.known_at and o.amount = r.amount and o.ordered_at = r.ordered_at
    where o.reasons is null and not o.is_test and r.copy = 1 and r.known_at = r.newest_at
)

select
    accepted.n,
    cast(ordered_at as date) as ordered_on,
    cast(greatest(ordered_at, known_at) as date) + 1 as seen_from,
    in_euro(amount - returned_amount, rate) as value_net,
    in_euro(amount, rate) as value_gross,
    in_euro(discount_amount, rate) as discount_value
from (select *, cast(ordered_at as date) as on_day from accepted) as accepted
left join (
    select * from rates
    union all
    select distinct 'EUR', cast(ordered_at as date), cast(1 as decimal(18, 8)) from accepted
) as rates on accepted.currency = rates.currency and accepted.on_day = rates.rate_for
where accepted.on_day < as_of();

create temp table purchase_days as
select n, ordered_on, min(seen_from) as seen_from, total(value_net) as value_net from orders group by n, ordered_on;

create temp table buyers as
select n, min(ordered_on) as first_day, max(ordered_on) as last_day, min(seen_from) as seen_from
from purchase_days
where n not in (select n from first_days)
group by n;

-- === periods =======================================================================================================
create temp table periods as
with history as (
    select cast(least(
        coalesce((select min(first_day) from first_days), open_end()),
        coalesce((select min(ordered_on) from orders), open_end())
    ) - 1 as date) as first_day
),

starts as (
    select 'week' as grain, cast(unnest(generate_series(date_trunc('week', first_day), as_of() - 1, interval 7 days)) as date) as start from history
    union all
    select 'month', cast(unnest(generate_series(date_trunc('month', first_day), as_of() - 1, interval 1 month)) as date) from history
    union all
    select 'quarter', cast(unnest(generate_series(date_trunc('quarter', first_day), as_of() - 1, interval 3 months)) as date) from history
    union all
    select 'year', cast(unnest(generate_series(date_trunc('year', first_day), as_of() - 1, interval 1 year)) as date) from history
)

select
    grain,
    start,
    cast(case grain
        when 'week' then start + interval 7 days
        when 'month' then start + interval 1 month
        when 'quarter' then start + interval 3 months
        else start + interval 1 year
    end as date) as next_start,
    least(next_start, as_of()) as period_end,
    next_start <= as_of() as is_complete,
    -- counted without a calendar: the first of a grain is 0
    row_number() over (partition by grain order by start) - 1 as number
from starts;

-- every day that lies in the history, with the number of its period in each grain
create temp table days as
select
    grain,
    cast(unnest(generate_series(start, next_start - 1, interval 1 day)) as date) as day,
    start,
    number
from periods
union all
-- who begins on the as-of date itself is in force at the end of the period before it
select grain, next_start, next_start, number + 1 from periods where next_start = as_of();

-- === states at boundaries ==========================================================================================
create temp table boundaries as
select distinct day as state_on
from (
    select start as day from periods where grain <> 'week'
    union all
    select period_end from periods where grain <> 'week'
);

create temp table states as
with on_boundaries as (
    select versions.*, state_on
    from versions
    inner join boundaries on state_on >= valid_from and state_on < valid_to
    union all
    select versions.*, spell_start
    from versions
    inner join spells on versions.n = spells.n and spell_start >= valid_from and spell_start < valid_to
    where spell_start not in (select state_on from boundaries)
),

rated as (
    select
        s.n,
        s.state_on,
        s.subscription_id,
        s.plan,
        s.contract_term_months,
        s.currency,
        s.mrr_original,
        case when s.currency = 'EUR' then cast(1 as decimal(18, 8)) else rates.rate end as rate
    from (
        select
            *,
            case when currency <> 'EUR' then interval_start(valid_from, billing_interval_months, state_on) end as rated_on
        from on_boundaries
    ) as s
    left join rates on s.currency = rates.currency and s.rated_on = rates.rate_for
)

select *, in_euro(mrr_original, rate) as mrr from rated;

create temp table account_states as
select
    n,
    state_on,
    total(mrr) as mrr,
    arg_min(plan, (-mrr, subscription_id)) as plan,
    arg_min(coalesce(contract_term_months, -1), (-mrr, subscription_id)) as term
from states
group by n, state_on;

-- === account periods ===============================================================================================
create temp table touched as
select
    periods.grain,
    periods.start,
    periods.period_end,
    periods.is_complete,
    spells.n,
    bool_or(spell_start <= start) as is_active_start,
    bool_or(spell_end > period_end) as is_active_end,
    bool_or(spell_start <= start and spell_end > period_end) as is_uninterrupted,
    min(case when spell_start > start then spell_start end) as first_active_day
from spells
inner join periods
    on spell_start <= period_end and spell_end > start
where periods.grain <> 'week'
group by all;

-- a line is a subscription in force at both ends; of what ended and what began, all in one currency is one line
create temp table changes as
with starts as (
    select periods.grain, periods.start, periods.period_end, states.*
    from states
    inner join periods on states.state_on = periods.start
    where periods.grain <> 'week'
),

ends as (
    select periods.grain, periods.start, states.*
    from states
    inner join periods on states.state_on = periods.period_end
    where periods.grain <> 'week'
),

sides as (
    select
        coalesce(starts.grain, ends.grain) as grain,
        coalesce(starts.start, ends.start) as start,
        coalesce(starts.n, ends.n) as n,
        coalesce(starts.currency, ends.currency) as currency,
        case when starts.n is not null and ends.n is not null then starts.subscription_id end as kept,
        starts.mrr_original as original_start,
        starts.mrr as mrr_start,
        ends.mrr_original as original_end,
        ends.mrr as mrr_end,
        case when kept is not null then starts.rate end as rate_start,
        case when kept is not null then ends.rate end as rate_end
    from starts
    full outer join ends
        on
            starts.grain = ends.grain
            and starts.start = ends.start
            and starts.n = ends.n
            and starts.subscription_id = ends.subscription_id
            and starts.currency = ends.currency
),

lines as (
    select
        grain,
        start,
        n,
        currency,
        total(original_start) as original_start,
        total(mrr_start) as mrr_start,
        max(rate_start) as rate_start,
        total(original_end) as original_end,
        total(mrr_end) as mrr_end,
        max(rate_end) as rate_end
    from sides
    where currency <> 'EUR'
    group by grain, start, n, currency, kept
    union all
    -- in euro nothing is converted, so that lines need not be told apart
    select grain, start, n, 'EUR', 0, total(mrr_start), null, 0, total(mrr_end), null
    from sides
    where currency = 'EUR'
    group by grain, start, n
),

converted as (
    select
        *,
        case
            when currency = 'EUR' or original_start = 0 or original_end = 0 then mrr_start
            when rate_end is not null then in_euro(original_start, rate_end)
            else scaled_money(original_start, mrr_end, original_end)
        end as mrr_start_at_end_rate,
        case
            when currency = 'EUR' or original_start = 0 then mrr_end
            when rate_start is not null then in_euro(original_end, rate_start)
            else scaled_money(original_end, mrr_start, original_start)
        end as mrr_end_at_start_rate
    from lines
)

select
    grain,
    start,
    n,
    total(mrr_start) as mrr_start,
    total(mrr_end) as mrr_end,
    total(mrr_start_at_end_rate - mrr_start) as fx_change,
    total(mrr_end - mrr_start_at_end_rate) as commercial_change,
    total(mrr_end_at_start_rate) as mrr_end_at_start_rate
from converted
group by grain, start, n;

create temp table account_periods as
with joined as (
    select
        touched.*,
        min(case when is_active_start then start end) over (partition by n, touched.grain) as first_active_start,
        coalesce(changes.mrr_start, 0) as mrr_start,
        coalesce(changes.mrr_end, 0) as mrr_end,
        coalesce(changes.fx_change, 0) as fx_change,
        coalesce(changes.commercial_change, 0) as commercial_change,
        coalesce(changes.mrr_end_at_start_rate, 0) as end_at_start_rate
    from touched
    left join changes using (grain, start, n)
)

select
    *,
    case
        when not is_active_start and not is_active_end then 'none'
        when not is_active_start and first_active_start < start then 'reactivation'
        when not is_active_start then 'new'
        when not is_active_end then 'churn'
        when commercial_change > 0 then 'expansion'
        when commercial_change < 0 then 'contraction'
        else 'none'
    end as movement,
    case when is_active_start and not is_active_end then mrr_start else 0 end as churned,
    case when is_active_start and is_active_end then greatest(mrr_start - end_at_start_rate, 0) else 0 end as contracted,
    case when is_active_start and is_active_end then greatest(end_at_start_rate - mrr_start, 0) else 0 end as expanded,
    not is_active_start and not is_active_end and first_active_day is not null as joined_and_left,
    case when is_active_start then start else coalesce(first_active_day, start) end as segment_on
from joined;

create table floor.mrr_monthly as
with counted as (
    select
        start as month_start,
        is_complete,
        count_if(is_active_start) as customers_start,
        count_if(movement = 'new') as customers_new,
        count_if(movement = 'churn') as customers_churned,
        count_if(movement = 'reactivation') as customers_reactivated,
        count_if(is_active_end) as customers_end,
        count_if(joined_and_left) as customers_joined_and_left,
        count_if(is_active_start and is_active_end and not is_uninterrupted) as customers_left_and_returned,
        total(mrr_start) as mrr_start,
        total(case when movement = 'new' then commercial_change end) as mrr_new,
        total(case when movement = 'expansion' then commercial_change end) as mrr_expansion,
        total(case when movement = 'reactivation' then commercial_change end) as mrr_reactivation,
        total(case when movement = 'contraction' then -commercial_change end) as mrr_contraction,
        total(case when movement = 'churn' then -commercial_change end) as mrr_churn,
        total(fx_change) as mrr_fx,
        total(mrr_end) as mrr_end,
        total(churned) as churned,
        total(contracted) as contracted,
        total(expanded) as expanded
    from account_periods
    where grain = 'month'
    group by start, is_complete
)

select
    * exclude (churned, contracted, expanded),
    cast(mrr_start - churned - contracted + expanded as decimal(38, 4)) as mrr_retained_net,
    cast(mrr_start - churned - contracted as decimal(38, 4)) as mrr_retained_gross,
    cast(12 * mrr_end as decimal(38, 4)) as arr_end,
    ratio(mrr_end, customers_end) as arpa_end,
    ratio(customers_churned, customers_start) as customer_churn_rate,
    wilson_low(customers_churned, customers_start) as customer_churn_ci_low,
    wilson_high(customers_churned, customers_start) as customer_churn_ci_high,
    customers_start < 30 as is_small_base,
    ratio(churned + contracted, mrr_start) as gross_revenue_churn_rate,
    ratio(churned + contracted - expanded, mrr_start) as net_revenue_churn_rate,
    ratio(mrr_retained_net, mrr_start) as nrr,
    ratio(mrr_retained_gross, mrr_start) as grr,
    ratio(mrr_new + mrr_expansion + mrr_reactivation, mrr_contraction + mrr_churn) as quick_ratio,
    1e0 - power(1e0 - (customer_churn_rate), 12e0) as annualised_churn_rate,
    (0.1e0 + (customer_churn_rate)) * cast(customers_start as double) as new_customers_needed_for_growth
from counted;

-- === segments ======================================================================================================
create macro term_band(term) as case
    when term is null or term < 0 then 'unknown'
    when term <= 1 then 'month to month'
    when term < 12 then 'under 1 year'
    when term < 24 then '1 year'
    else '2 years and longer'
end;
create macro mrr_band(mrr) as case
    when mrr is null then 'unknown'
    when mrr < 100 then '1: under 100'
    when mrr < 500 then '2: 100 to under 500'
    when mrr < 2000 then '3: 500 to under 2000'
    when mrr < 10000 then '4: 2000 to under 10000'
    else '5: 10000 and more'
end;
create macro age_band(months) as case
    when months is null then 'unknown'
    when months < 3 then '1: under 3 months'
    when months < 12 then '2: 3 to under 12 months'
    when months < 24 then '3: 12 to under 24 months'
    else '4: 24 months and more'
end;

create temp table segments as
with wanted as (
    select distinct account_periods.n, segment_on, first_day
    from account_periods
    inner join first_days on account_periods.n = first_days.n
    where is_active_start or is_active_end or joined_and_left
    union
    select n, first_day, first_day from first_days
    union
    select n, first_day, first_day from buyers
)

select
    wanted.n,
    wanted.segment_on,
    coalesce(accounts.business_model, 'unknown') as business_model,
    coalesce(history.industry, accounts.industry, 'unknown') as industry,
    coalesce(history.company_size, accounts.company_size, 'unknown') as company_size,
    coalesce(history.region, accounts.region, 'unknown') as region,
    coalesce(accounts.acquisition_channel, 'unknown') as acquisition_channel,
    coalesce(account_states.plan, 'unknown') as plan,
    term_band(account_states.term) as contract_length,
    mrr_band(account_states.mrr) as revenue_band,
    age_band(whole_months(wanted.first_day, wanted.segment_on)) as tenure_band,
    coalesce(managers.account_manager_id, 'unknown') as account_manager
from wanted
inner join accounts on wanted.n = accounts.n
left join history on wanted.n = history.n and wanted.segment_on >= history.holds_from and wanted.segment_on < history.holds_to
left join managers on wanted.n = managers.n and wanted.segment_on >= managers.valid_from and wanted.segment_on < managers.valid_to
left join account_states on wanted.n = account_states.n and wanted.segment_on = account_states.state_on;

-- the only dimension that is not null names the grouping set
create macro dimension_of(a, b, c, d, e, f, g, h, i, j) as case
    when a is not null then 'business_model' when b is not null then 'industry' when c is not null then 'company_size'
    when d is not null then 'region' when e is not null then 'acquisition_channel' when f is not null then 'plan'
    when g is not null then 'contract_length' when h is not null then 'revenue_band' when i is not null then 'tenure_band'
    when j is not null then 'account_manager' else 'all'
end;

create table floor.churn_by_segment as
with counted as (
    select
        grain,
        start,
        is_complete,
        dimension_of(
            business_model, industry, company_size, region, acquisition_channel, plan, contract_length, revenue_band,
            tenure_band, account_manager
        ) as segment_dimension,
        coalesce(
            business_model, industry, company_size, region, acquisition_channel, plan, contract_length, revenue_band,
            tenure_band, account_manager, 'all'
        ) as segment_value,
        count_if(is_active_start) as customers_at_start,
        count_if(movement = 'churn') as customers_churned,
        total(mrr_start) as mrr_at_start,
        total(churned) as mrr_churned,
        total(contracted) as mrr_contracted,
        total(expanded) as mrr_expanded
    from account_periods
    inner join segments using (n, segment_on)
    where is_active_start or is_active_end or joined_and_left
    group by grouping sets (
        (grain, start, is_complete), (grain, start, is_complete, business_model), (grain, start, is_complete, industry),
        (grain, start, is_complete, company_size), (grain, start, is_complete, region),
        (grain, start, is_complete, acquisition_channel), (grain, start, is_complete, plan),
        (grain, start, is_complete, contract_length), (grain, start, is_complete, revenue_band),
        (grain, start, is_complete, tenure_band), (grain, start, is_complete, account_manager)
    )
)

select
    grain as period_grain,
    start as period_start,
    segment_dimension,
    segment_value,
    is_complete,
    customers_at_start,
    customers_churned,
    ratio(customers_churned, customers_at_start) as churn_rate,
    wilson_low(customers_churned, customers_at_start) as ci_low,
    wilson_high(customers_churned, customers_at_start) as ci_high,
    customers_at_start < 30 as is_small_base,
    mrr_at_start,
    mrr_churned,
    mrr_contracted,
    mrr_expanded,
    ratio(mrr_churned + mrr_contracted, mrr_at_start) as gross_revenue_churn_rate,
    ratio(mrr_churned + mrr_contracted - mrr_expanded, mrr_at_start) as net_revenue_churn_rate,
    ratio(cast(mrr_at_start - mrr_churned - mrr_contracted + mrr_expanded as decimal(38, 4)), mrr_at_start) as nrr,
    ratio(cast(mrr_at_start - mrr_churned - mrr_contracted as decimal(38, 4)), mrr_at_start) as grr
from counted;

-- === cohorts =======================================================================================================
-- stretches in which the MRR of an account, at its first rate, stays the same
create temp table stretches as
with turns as (
    select n, valid_from as day, 1 as versions, in_euro(mrr_original, first_rate) as amount
    from versions inner join first_rates using (n, currency)
    union all
    select n, valid_to, -1, -in_euro(mrr_original, first_rate)
    from versions inner join first_rates using (n, currency)
),

turn_days as (
    select n, day, sum(versions) as versions, sum(amount) as amount from turns group by n, day
)

select n, day, next_day, amount
from (
    select
        n,
        day,
        lead(day) over by_day as next_day,
        sum(versions) over by_day as versions,
        cast(sum(amount) over by_day as decimal(38, 4)) as amount
    from turn_days
    window by_day as (partition by n order by day)
)
where versions > 0;

create temp table members as
select
    'contract' as relationship,
    first_days.n,
    first_days.first_day,
    stretches.amount as mrr_at_start
from first_days
inner join stretches on first_days.n = stretches.n and first_days.first_day = stretches.day
union all
select 'no_contract', n, first_day, null from buyers;

-- the last complete boundary of each grain, and the number of each period in which a day lies
create temp table last_periods as
select grain, max(number) filter (where is_complete) as last_number from periods group by grain;

-- From which index of its cohort to which a member is active with an amount. A boundary on a day belongs to the period that
-- it ends: active at the end of period p is in force on the first day of p + 1.
create temp table presences as
with placed as (
    select
        'contract' as relationship,
        cohort.grain,
        stretches.n,
        cohort.number as cohort_number,
        -- the boundary on or after the first day of the stretch ends the period before the one it lies in, or that one
        greatest(from_day.number - case when from_day.start = stretches.day then 1 else 0 end, cohort.number) as from_number,
        least(
            coalesce(
                to_day.number - case when to_day.start = stretches.next_day then 2 else 1 end, last_periods.last_number
            ),
            last_periods.last_number
        ) as to_number,
        stretches.amount,
        members.mrr_at_start
    from stretches
    inner join members on stretches.n = members.n and members.relationship = 'contract'
    inner join days as cohort on members.first_day = cohort.day
    inner join last_periods on cohort.grain = last_periods.grain
    inner join days as from_day on stretches.day = from_day.day and cohort.grain = from_day.grain
    left join days as to_day on stretches.next_day = to_day.day and cohort.grain = to_day.grain
),

bought as (
    select
        'no_contract' as relationship,
        cohort.grain,
        purchase_days.n,
        cohort.number as cohort_number,
        bought_on.number as from_number,
        bought_on.number as to_number,
        total(value_net) as amount,
        cast(null as decimal(38, 4)) as mrr_at_start
    from purchase_days
    inner join buyers on purchase_days.n = buyers.n
    inner join days as cohort on buyers.first_day = cohort.day
    inner join days as bought_on on purchase_days.ordered_on = bought_on.day and cohort.grain = bought_on.grain
    inner join last_periods on cohort.grain = last_periods.grain
    where bought_on.number <= last_periods.last_number
    group by cohort.grain, purchase_days.n, cohort.number, bought_on.number
),

active as (
    select * from placed where from_number <= to_number
    union all
    select * from bought
),

counted as (
    select
        *,
        coalesce(sum(to_number - from_number + 1) over earlier, 0) as periods_before,
        min(amount) over (partition by grain, n order by from_number) as lowest
    from active
    window earlier as (partition by grain, n order by from_number rows between unbounded preceding and 1 preceding)
)

select
    relationship,
    grain,
    n,
    cohort_number,
    from_number - cohort_number as from_index,
    to_number - cohort_number as to_index,
    from_number - cohort_number = periods_before as is_uninterrupted,
    amount,
    case when relationship = 'contract' then least(amount, mrr_at_start) end as amount_gross,
    case when relationship = 'contract' then least(lowest, mrr_at_start) end as amount_lowest
from counted;

create table floor.cohort_retention as
with member_cohorts as (
    select members.*, days.grain, days.start as cohort_start, days.number as cohort_number, segments.* exclude (n, segment_on)
    from members
    inner join days on members.first_day = days.day
    inner join segments on members.n = segments.n and members.first_day = segments.segment_on
),

cohorts as (
    select
        relationship,
        grain,
        cohort_start,
        cohort_number,
        dimension_of(
            business_model, industry, company_size, region, acquisition_channel, plan, contract_length, revenue_band,
            tenure_band, account_manager
        ) as segment_dimension,
        coalesce(
            business_model, industry, company_size, region, acquisition_channel, plan, contract_length, revenue_band,
            tenure_band, account_manager, 'all'
        ) as segment_value,
        count(*) as customers_at_start,
        case when relationship = 'contract' then total(mrr_at_start) end as mrr_at_start
    from member_cohorts
    group by grouping sets (
        (relationship, grain, cohort_start, cohort_number), (relationship, grain, cohort_start, cohort_number, business_model),
        (relationship, grain, cohort_start, cohort_number, industry),
        (relationship, grain, cohort_start, cohort_number, company_size),
        (relationship, grain, cohort_start, cohort_number, region),
        (relationship, grain, cohort_start, cohort_number, acquisition_channel),
        (relationship, grain, cohort_start, cohort_number, plan),
        (relationship, grain, cohort_start, cohort_number, contract_length),
        (relationship, grain, cohort_start, cohort_number, revenue_band),
        (relationship, grain, cohort_start, cohort_number, tenure_band),
        (relationship, grain, cohort_start, cohort_number, account_manager)
    )
),

-- who is there from one index to another is added at the first and taken away after the last
turns as (
    select
        relationship, grain, n, cohort_number, from_index as period_index, 1 as customers,
        cast(is_uninterrupted as integer) as uninterrupted, amount, amount_gross,
        case when is_uninterrupted then amount_lowest else 0 end as amount_lowest
    from presences
    union all
    select
        relationship, grain, n, cohort_number, to_index + 1, -1, -cast(is_uninterrupted as integer), -amount, -amount_gross,
        case when is_uninterrupted then -amount_lowest else 0 end
    from presences
),

summed as (
    select
        turns.relationship,
        turns.grain,
        turns.cohort_number,
        turns.period_index,
        dimension_of(
            business_model, industry, company_size, region, acquisition_channel, plan, contract_length, revenue_band,
            tenure_band, account_manager
        ) as segment_dimension,
        coalesce(
            business_model, industry, company_size, region, acquisition_channel, plan, contract_length, revenue_band,
            tenure_band, account_manager, 'all'
        ) as segment_value,
        sum(customers) as customers,
        sum(uninterrupted) as uninterrupted,
        sum(amount) as amount,
        sum(amount_gross) as amount_gross,
        sum(amount_lowest) as amount_lowest
    from (
        select relationship, grain, n, cohort_number, period_index, sum(customers) as customers, sum(uninterrupted) as uninterrupted,
            sum(amount) as amount, sum(amount_gross) as amount_gross, sum(amount_lowest) as amount_lowest
        from turns
        where grain <> 'week'
        group by all
    ) as turns
    inner join members on turns.relationship = members.relationship and turns.n = members.n
    inner join segments on members.n = segments.n and members.first_day = segments.segment_on
    group by grouping sets (
        (turns.relationship, turns.grain, turns.cohort_number, turns.period_index),
        (turns.relationship, turns.grain, turns.cohort_number, turns.period_index, business_model),
        (turns.relationship, turns.grain, turns.cohort_number, turns.period_index, industry),
        (turns.relationship, turns.grain, turns.cohort_number, turns.period_index, company_size),
        (turns.relationship, turns.grain, turns.cohort_number, turns.period_index, region),
        (turns.relationship, turns.grain, turns.cohort_number, turns.period_index, acquisition_channel),
        (turns.relationship, turns.grain, turns.cohort_number, turns.period_index, plan),
        (turns.relationship, turns.grain, turns.cohort_number, turns.period_index, contract_length),
        (turns.relationship, turns.grain, turns.cohort_number, turns.period_index, revenue_band),
        (turns.relationship, turns.grain, turns.cohort_number, turns.period_index, tenure_band),
        (turns.relationship, turns.grain, turns.cohort_number, turns.period_index, account_manager)
    )
    union all
    select relationship, grain, cohort_number, period_index, 'all', 'all',
        sum(customers), sum(uninterrupted), sum(amount), sum(amount_gross), sum(amount_lowest)
    from turns
    where grain = 'week'
    group by all
),

grid as (
    select cohorts.*, periods.number - cohorts.cohort_number as period_index
    from cohorts
    inner join periods on cohorts.grain = periods.grain and periods.number >= cohorts.cohort_number and periods.is_complete
    where cohorts.grain <> 'week' or segment_dimension = 'all'
),

filled as (
    select
        grid.*,
        sum(coalesce(customers, 0)) over by_index as customers_retained,
        sum(coalesce(uninterrupted, 0)) over by_index as customers_retained_uninterrupted,
        cast(sum(coalesce(amount, 0)) over by_index as decimal(38, 4)) as amount,
        cast(sum(coalesce(amount_gross, 0)) over by_index as decimal(38, 4)) as amount_gross,
        cast(sum(coalesce(amount_lowest, 0)) over by_index as decimal(38, 4)) as amount_lowest
    from grid
    left join summed using (relationship, grain, cohort_number, segment_dimension, segment_value, period_index)
    window by_index as (
        partition by relationship, grain, cohort_number, segment_dimension, segment_value
        order by period_index
        rows between unbounded preceding and current row
    )
),

separated as (
    select
        relationship,
        grain as cohort_grain,
        cohort_start,
        segment_dimension,
        segment_value,
        cast(period_index as integer) as period_index,
        customers_at_start,
        cast(customers_retained as bigint) as customers_retained,
        cast(customers_retained_uninterrupted as bigint) as customers_retained_uninterrupted,
        mrr_at_start,
        case when relationship = 'contract' then amount_gross end as mrr_retained_gross,
        case when relationship = 'contract' then amount end as mrr_retained_net,
        case when relationship = 'contract' then amount_lowest end as mrr_retained_uninterrupted,
        case when relationship <> 'contract' then first_value(amount) over (
            partition by relationship, grain, cohort_number, segment_dimension, segment_value order by period_index
        ) end as value_at_start,
        case when relationship <> 'contract' then amount end as value_retained
    from filled
)

select
    *,
    ratio(customers_retained, customers_at_start) as logo_retention,
    wilson_low(customers_retained, customers_at_start) as logo_retention_ci_low,
    wilson_high(customers_retained, customers_at_start) as logo_retention_ci_high,
    customers_at_start < 30 as is_small_base,
    ratio(mrr_retained_gross, mrr_at_start) as gross_revenue_retention,
    ratio(mrr_retained_net, mrr_at_start) as net_revenue_retention,
    ratio(value_retained, value_at_start) as value_retention
from separated;

-- === usage =========================================================================================================
-- Three readings, none of them stored: which keys come twice, which rows are refused or corrected, and the sums.
create macro usage_rows() as table
select
    u.account_id,
    contact_id,
    used_on,
    feature,
    quantity,
    k.n,
    coalesce(k.is_test, false) as is_test,
    coalesce(recorded_at, cast(used_on as timestamp)) as known_at,
    hash(u.account_id, contact_id, used_on, feature) as fingerprint,
    coalesce(
        k.state is distinct from 'accepted' or used_on is null or feature is null or feature = '' or quantity is null
        or quantity < 0 or is_broken(contact_id) or is_broken(feature) or is_broken(event_name) or length(contact_id) > 255
        or length(feature) > 255 or length(event_name) > 1000 or used_on > recorded_at + interval 1 day,
        false
    ) as is_refused,
    k.account_id as known_account,
    k.state,
    event_name,
    recorded_at
from read_parquet(getvariable('files') || '/usage_daily/*.parquet') as u
left join account_keys as k on u.account_id = k.account_id;

create temp table usage_repeats as
select fingerprint
from (
    select hash(account_id, contact_id, used_on, feature) as fingerprint
    from read_parquet(getvariable('files') || '/usage_daily/*.parquet')
)
group by fingerprint
having count(*) > 1;

create temp table usage_odd as
select
    *,
    found(concat_ws(
        ',',
        mark(text_of(account_id) is null or used_on is null or text_of(feature) is null, 'missing_key'),
        mark(quantity is null, 'missing_value:quantity'),
        mark(is_broken(contact_id) or is_broken(feature) or is_broken(event_name), 'broken_encoding'),
        mark(length(contact_id) > 255, 'over_long:contact_id'),
        mark(length(feature) > 1000, 'over_long:feature'),
        mark(quantity < 0, 'negative:quantity'),
        mark(used_on > recorded_at + interval 1 day, 'event_after_recorded'),
        parent_reason(account_id, known_account, state)
    )) as reasons
from usage_rows()
where is_refused or fingerprint in (select fingerprint from usage_repeats);

create temp table usage_contest as
select
    *,
    row_number() over (partition by account_id, contact_id, used_on, feature, known_at order by event_name nulls last, quantity) as copy,
    dense_rank() over (partition by account_id, contact_id, used_on, feature, known_at order by event_name nulls last, quantity)
        as content,
    max(known_at) over (partition by account_id, contact_id, used_on, feature) as newest_at
from usage_odd
where reasons is null and known_at < as_of_moment();

insert into floor.quarantine
select 'usage_daily', reasons, cast(to_json(r) as varchar) from usage_odd as r where reasons is not null
union all
select 'usage_daily', case when content = 1 then 'duplicate' else 'conflicting_duplicate' end, cast(to_json(r) as varchar)
from usage_contest as r
where copy > 1;

create temp table feature_list as
select
    feature,
    coalesce(is_core, false) as is_core,
    row_number() over (order by feature) - 1 as number
from read_parquet(getvariable('files') || '/features/*.parquet');

create temp table usage_sums as
select
    u.n,
    max(used_on) filter (where quantity > 0) as used_on,
    max(used_on) filter (where quantity > 0 and is_core) as core_used_on,
    sum(quantity) filter (where is_login and used_on >= as_of() - 28) as logins,
    sum(quantity) filter (where is_login and used_on >= as_of() - 56 and used_on < as_of() - 28) as logins_before,
    bit_count(coalesce(bit_or(cast(1 as bigint) << number) filter (
        where quantity > 0 and not is_core and not is_login and used_on >= as_of() - 91
    ), 0)) as breadth,
    bit_count(coalesce(bit_or(cast(1 as bigint) << number) filter (
        where quantity > 0 and not is_core and not is_login and used_on >= as_of() - 182 and used_on < as_of() - 91
    ), 0)) as breadth_before
from (
    select n, used_on, feature, quantity
    from usage_rows()
    where
        not is_refused and not is_test and known_at < as_of_moment()
        and fingerprint not in (select fingerprint from usage_repeats)
    union all
    select n, used_on, feature, quantity
    from usage_contest
    where copy = 1 and known_at = newest_at and not is_test
) as u
left join (select *, feature = 'login' as is_login from feature_list) as f on u.feature = f.feature
group by u.n;

create temp table tracked as
select
    business_model,
    min(usage_sums.used_on) is not null as is_tracked,
    min(usage_sums.core_used_on) is not null as is_core_tracked
from usage_sums inner join accounts using (n)
group by business_model;

-- === messages, tickets, surveys, invoices, cancellations, milestones ===============================================
create temp table read_messages as
select
    text_of(message_id) as message_id,
    k.n,
    coalesce(k.is_test, false) as is_test,
    channel,
    sent_at,
    opened_at,
    clicked_at,
    converted_at,
    unsubscribed_at,
    coalesce(recorded_at, sent_at) as known_at,
    hash(text_of(message_id)) as fingerprint,
    found(concat_ws(
        ',',
        mark(text_of(message_id) is null, 'missing_key'),
        mark(text_of(m.account_id) is null, 'missing_value:account_id'),
        mark(sent_at is null, 'missing_value:sent_at'),
        mark(
            try_cast(discount_percent as decimal(18, 8)) is null and text_of(discount_percent) is not null,
            'unparsable:discount_percent'
        ),
        mark(
            is_broken(message_id) or is_broken(m.account_id) or is_broken(contact_id) or is_broken(channel)
            or is_broken(purpose),
            'broken_encoding'
        ),
        mark(length(message_id) > 255, 'over_long:message_id'),
        mark(length(contact_id) > 255, 'over_long:contact_id'),
        mark(channel not in ('email', 'postcard', 'call', 'event', 'chat'), 'not_in_list:channel'),
        mark(purpose not in ('newsletter', 'welcome', 'trigger', 'win_back', 'upsell', 'service'), 'not_in_list:purpose'),
        mark(try_cast(discount_percent as decimal(18, 8)) < 0, 'negative:discount_percent'),
        mark(sent_at > opened_at, 'impossible_date_order:sent_at/opened_at'),
        mark(sent_at > clicked_at, 'impossible_date_order:sent_at/clicked_at'),
        mark(sent_at > converted_at, 'impossible_date_order:sent_at/converted_at'),
        mark(sent_at > unsubscribed_at, 'impossible_date_order:sent_at/unsubscribed_at'),
        mark(sent_at > recorded_at + interval 1 day, 'event_after_recorded'),
        parent_reason(text_of(m.account_id), k.account_id, k.state)
    )) as reasons
from read_parquet(getvariable('files') || '/messages/*.parquet') as m
left join account_keys as k on text_of(m.account_id) = k.account_id;

create temp table message_repeats as
select
    *,
    row_number() over (partition by message_id, known_at order by n, sent_at, channel) as copy,
    max(known_at) over (partition by message_id) as newest_at
from read_messages
where
    reasons is null and known_at < as_of_moment()
    and fingerprint in (select fingerprint from read_messages group by fingerprint having count(*) > 1);

insert into floor.quarantine
select 'messages', reasons, cast(to_json(r) as varchar) from read_messages as r where reasons is not null
union all
select 'messages', 'duplicate', cast(to_json(r) as varchar) from message_repeats as r where copy > 1;

create temp table messages as
select n, channel, sent_at, opened_at, clicked_at, converted_at, unsubscribed_at
from read_messages
where
    reasons is null and not is_test and known_at < as_of_moment()
    and fingerprint not in (select fingerprint from message_repeats)
union all
select n, channel, sent_at, opened_at, clicked_at, converted_at, unsubscribed_at
from message_repeats
where copy = 1 and known_at = newest_at and not is_test;

create temp table read_tickets as
select
    text_of(ticket_id) as ticket_id,
    k.n,
    coalesce(k.is_test, false) as is_test,
    opened_at,
    case when first_response_at < as_of_moment() then first_response_at end as first_response_at,
    case when resolved_at < as_of_moment() then resolved_at end as resolved_at,
    is_complaint,
    coalesce(recorded_at, opened_at) as known_at,
    found(concat_ws(
        ',',
        mark(text_of(ticket_id) is null, 'missing_key'),
        mark(text_of(t.account_id) is null, 'missing_value:account_id'),
        mark(opened_at is null, 'missing_value:opened_at'),
        mark(try_cast(reopened_count as integer) is null and text_of(reopened_count) is not null, 'unparsable:reopened_count'),
        mark(
            is_broken(ticket_id) or is_broken(t.account_id) or is_broken(contact_id) or is_broken(priority), 'broken_encoding'
        ),
        mark(length(ticket_id) > 255, 'over_long:ticket_id'),
        mark(length(contact_id) > 255, 'over_long:contact_id'),
        mark(try_cast(reopened_count as integer) < 0, 'negative:reopened_count'),
        mark(opened_at > first_response_at, 'impossible_date_order:opened_at/first_response_at'),
        mark(opened_at > resolved_at, 'impossible_date_order:opened_at/resolved_at'),
        mark(opened_at > recorded_at + interval 1 day, 'event_after_recorded'),
        parent_reason(text_of(t.account_id), k.account_id, k.state)
    )) as reasons
from read_parquet(getvariable('files') || '/support_tickets/*.parquet') as t
left join account_keys as k on text_of(t.account_id) = k.account_id;

create temp table ticket_contest as
select
    *,
    row_number() over (partition by ticket_id, known_at order by n, opened_at) as copy,
    max(known_at) over (partition by ticket_id) as newest_at
from read_tickets
where reasons is null and known_at < as_of_moment();

insert into floor.quarantine
select 'support_tickets', reasons, cast(to_json(r) as varchar) from read_tickets as r where reasons is not null
union all
select 'support_tickets', 'duplicate', cast(to_json(r) as varchar) from ticket_contest as r where copy > 1;

create temp table tickets as
select * from ticket_contest where copy = 1 and known_at = newest_at and not is_test;

create temp table read_responses as
select
    text_of(response_id) as response_id,
    k.n,
    coalesce(k.is_test, false) as is_test,
    survey,
    case when responded_at < as_of_moment() then responded_at end as responded_at,
    try_cast(score as integer) as score,
    coalesce(recorded_at, sent_at) as known_at,
    found(concat_ws(
        ',',
        mark(text_of(response_id) is null, 'missing_key'),
        mark(text_of(r.account_id) is null, 'missing_value:account_id'),
        mark(text_of(survey) is null, 'missing_value:survey'),
        mark(sent_at is null, 'missing_value:sent_at'),
        mark(try_cast(score as integer) is null and text_of(score) is not null, 'unparsable:score'),
        mark(is_broken(response_id) or is_broken(r.account_id) or is_broken(contact_id) or is_broken(topic), 'broken_encoding'),
        mark(length(response_id) > 255, 'over_long:response_id'),
        mark(survey not in ('nps', 'csat', 'cancel_reason'), 'not_in_list:survey'),
        mark(sent_at > responded_at, 'impossible_date_order:sent_at/responded_at'),
        mark(sent_at > recorded_at + interval 1 day, 'event_after_recorded'),
        parent_reason(text_of(r.account_id), k.account_id, k.state)
    )) as reasons
from read_parquet(getvariable('files') || '/survey_responses/*.parquet') as r
left join account_keys as k on text_of(r.account_id) = k.account_id;

create temp table response_contest as
select
    *,
    row_number() over (partition by response_id, known_at order by n, score) as copy,
    max(known_at) over (partition by response_id) as newest_at
from read_responses
where reasons is null and known_at < as_of_moment();

insert into floor.quarantine
select 'survey_responses', reasons, cast(to_json(r) as varchar) from read_responses as r where reasons is not null
union all
select 'survey_responses', 'duplicate', cast(to_json(r) as varchar) from response_contest as r where copy > 1;

create temp table responses as
select * from response_contest where copy = 1 and known_at = newest_at and not is_test;

create temp table read_invoices as
select
    text_of(invoice_id) as invoice_id,
    k.n,
    coalesce(k.is_test, false) as is_test,
    issued_on,
    due_on,
    case when paid_on <= as_of() then paid_on end as paid_on,
    amount,
    upper(text_of(currency)) as currency,
    status,
    refunded_amount,
    coalesce(recorded_at, cast(issued_on as timestamp)) as known_at,
    found(concat_ws(
        ',',
        mark(text_of(invoice_id) is null, 'missing_key'),
        mark(text_of(i.account_id) is null, 'missing_value:account_id'),
        mark(issued_on is null, 'missing_value:issued_on'),
        mark(amount is null, 'missing_value:amount'),
        mark(text_of(currency) is null, 'missing_value:currency'),
        mark(
            is_broken(invoice_id) or is_broken(i.account_id) or is_broken(subscription_id) or is_broken(status), 'broken_encoding'
        ),
        mark(length(invoice_id) > 255, 'over_long:invoice_id'),
        mark(status not in ('open', 'paid', 'failed', 'void'), 'not_in_list:status'),
        mark(not is_currency(upper(text_of(currency))), 'unknown_currency'),
        mark(refunded_amount < 0, 'negative:refunded_amount'),
        mark(issued_on > due_on, 'impossible_date_order:issued_on/due_on'),
        mark(issued_on > recorded_at + interval 1 day, 'event_after_recorded'),
        parent_reason(text_of(i.account_id), k.account_id, k.state)
    )) as reasons
from read_parquet(getvariable('files') || '/invoices/*.parquet') as i
left join account_keys as k on text_of(i.account_id) = k.account_id;

create temp table invoice_contest as
select
    *,
    row_number() over (partition by invoice_id, known_at order by n, amount, status) as copy,
    max(known_at) over (partition by invoice_id) as newest_at
from read_invoices
where reasons is null and known_at < as_of_moment();

insert into floor.quarantine
select 'invoices', reasons, cast(to_json(r) as varchar) from read_invoices as r where reasons is not null
union all
select 'invoices', 'duplicate', cast(to_json(r) as varchar) from invoice_contest as r where copy > 1;

create temp table invoices as
select * from invoice_contest where copy = 1 and known_at = newest_at and not is_test;

create temp table read_cancellations as
select
    c.* exclude (account_id),
    k.n,
    coalesce(k.is_test, false) as is_test,
    coalesce(recorded_at, cast(requested_on as timestamp)) as known_at,
    found(concat_ws(
        ',',
        mark(text_of(cancellation_id) is null, 'missing_key'),
        mark(text_of(c.account_id) is null, 'missing_value:account_id'),
        mark(requested_on is null, 'missing_value:requested_on'),
        mark(is_broken(concat_ws(' ', cancellation_id, c.account_id, subscription_id, reason_code)), 'broken_encoding'),
        mark(requested_on > recorded_at + interval 1 day, 'event_after_recorded'),
        parent_reason(text_of(c.account_id), k.account_id, k.state)
    )) as reasons
from read_parquet(getvariable('files') || '/cancellations/*.parquet') as c
left join account_keys as k on text_of(c.account_id) = k.account_id;

create temp table read_milestones as
select
    m.* exclude (account_id),
    k.n,
    coalesce(k.is_test, false) as is_test,
    found(concat_ws(
        ',',
        mark(text_of(milestone_id) is null, 'missing_key'),
        mark(text_of(m.account_id) is null, 'missing_value:account_id'),
        mark(occurred_at is null, 'missing_value:occurred_at'),
        mark(
            milestone not in (
                'onboarding_completed', 'success_event', 'business_review', 'external_expansion', 'integration_live',
                'referral', 'review_written', 'feedback_given', 'suggestion_implemented', 'event_attended'
            ),
            'not_in_list:milestone'
        ),
        mark(is_broken(concat_ws(' ', milestone_id, m.account_id)), 'broken_encoding'),
        mark(occurred_at > recorded_at + interval 1 day, 'event_after_recorded'),
        parent_reason(text_of(m.account_id), k.account_id, k.state)
    )) as reasons
from read_parquet(getvariable('files') || '/milestones/*.parquet') as m
left join account_keys as k on text_of(m.account_id) = k.account_id;

insert into floor.quarantine
select 'cancellations', reasons, cast(to_json(r) as varchar) from read_cancellations as r where reasons is not null
union all
select 'milestones', reasons, cast(to_json(r) as varchar) from read_milestones as r where reasons is not null;

create temp table cancellations as
select * from read_cancellations
where reasons is null and not is_test and known_at < as_of_moment()
qualify row_number() over (partition by cancellation_id order by known_at desc) = 1;

create temp table milestones as
select * from read_milestones
where reasons is null and not is_test and recorded_at < as_of_moment()
qualify row_number() over (partition by milestone_id order by recorded_at desc) = 1;

-- What the five marts do not need is held to the rules all the same.
insert into floor.quarantine
select 'offers', reasons, cast(to_json(r) as varchar)
from (
    select
        o.*,
        found(concat_ws(
            ',',
            mark(text_of(offer_id) is null, 'missing_key'),
            mark(text_of(o.account_id) is null, 'missing_value:account_id'),
            mark(offered_at is null, 'missing_value:offered_at'),
            mark(is_broken(concat_ws(' ', offer_id, o.account_id, kind, occasion)), 'broken_encoding'),
            mark(kind not in ('upsell', 'cross_sell', 'trial_upgrade', 'win_back', 'right_size'), 'not_in_list:kind'),
            mark(offered_at > decided_at, 'impossible_date_order:offered_at/decided_at'),
            mark(offered_at > recorded_at + interval 1 day, 'event_after_recorded'),
            parent_reason(text_of(o.account_id), k.account_id, k.state)
        )) as reasons
    from read_parquet(getvariable('files') || '/offers/*.parquet') as o
    left join account_keys as k on text_of(o.account_id) = k.account_id
) as r
where reasons is not null
union all
select 'costs', reasons, cast(to_json(r) as varchar)
from (
    select
        *,
        found(concat_ws(
            ',',
            mark(text_of(cost_id) is null, 'missing_key'),
            mark(period_start is null or period_end is null or amount is null, 'missing_value'),
            mark(kind not in ('acquisition', 'retention', 'service'), 'not_in_list:kind'),
            mark(is_broken(concat_ws(' ', cost_id, kind, category, channel, currency)), 'broken_encoding'),
            mark(not is_currency(upper(currency)), 'unknown_currency'),
            mark(period_start > period_end, 'impossible_date_order:period_start/period_end')
        )) as reasons
    from read_parquet(getvariable('files') || '/costs/*.parquet')
) as r
where reasons is not null;

-- === account_signals ===============================================================================================
create temp table customers as
select n, 'contract' as relationship, spell_start as customer_from
from spells
where spell_start <= as_of() and spell_end > as_of()
union all
select n, 'no_contract', seen_from from buyers where first_day < as_of();

create temp table ticket_sums as
select
    tickets.n,
    count_if(opened_on >= as_of() - 28) as tickets,
    count_if(opened_on >= as_of() - 196 and opened_on < as_of() - 28 and opened_on >= customer_from) as tickets_before,
    max(opened_on) as last_on,
    min(opened_on) filter (where is_complaint and (resolved_at is null or cast(resolved_at as date) >= as_of())) as complaint_on,
    count_if(
        (first_response_at is null or first_response_at > opened_at + interval 2 days)
        and cast(opened_at + interval 2 days as date) < as_of() and cast(opened_at + interval 2 days as date) >= as_of() - 28
    ) as slow
from (select *, cast(opened_at as date) as opened_on from tickets) as tickets
inner join customers on tickets.n = customers.n
where opened_on < as_of()
group by tickets.n;

create temp table last_tickets as
select t.n, count(*) as tickets
from tickets as t
inner join ticket_sums as s on t.n = s.n and cast(t.opened_at as date) > s.last_on - 180 and cast(t.opened_at as date) <= s.last_on
group by t.n;

create temp table answers as
select
    n,
    survey,
    cast(responded_at as date) as answered_on,
    sum(score) as score,
    count(*) as answers,
    row_number() over (partition by n, survey order by answered_on desc) as newest
from responses
where survey in ('nps', 'csat') and score is not null and responded_at is not null and cast(responded_at as date) < as_of()
group by n, survey, answered_on;

create temp table answer_sums as
select
    n,
    max(answered_on) filter (where survey = 'nps') as nps_on,
    max(score / answers) filter (where survey = 'nps' and newest = 1) as nps,
    max(score / answers) filter (where survey = 'nps' and newest = 2) as nps_before,
    sum(score) filter (where survey = 'csat' and answered_on >= as_of() - 90)
    / sum(answers) filter (where survey = 'csat' and answered_on >= as_of() - 90) as csat
from answers
group by n;

create temp table message_sums as
select
    n,
    count_if(channel = 'email' and sent_at >= as_of() - 180) as emails,
    max(sent_at) filter (where channel = 'email' and least(opened_at, clicked_at) < as_of_moment()) as read_at,
    count_if(unsubscribed_at >= as_of() - 90 and unsubscribed_at < as_of_moment()) as unsubscribed,
    max(greatest(
        case when opened_at < as_of_moment() then opened_at end, case when clicked_at < as_of_moment() then clicked_at end,
        case when converted_at < as_of_moment() then converted_at end
    )) as active_at
from messages
group by n;

create temp table unread as
select messages.n, count(*) as unread
from messages inner join message_sums using (n)
where
    channel = 'email' and cast(sent_at as date) < as_of() - 7 and cast(sent_at as date) >= as_of() - 180
    and (read_at is null or sent_at > read_at)
group by messages.n;

create temp table people_sums as
select
    contacts.n,
    count(distinct contact_id) filter (where left_at >= as_of() - 180 and left_at < as_of_moment()) as departed
from contacts
inner join read_roles as roles using (contact_id)
where roles.reasons is null and roles.role in ('champion', 'decision_maker') and not contacts.is_test
group by contacts.n;

create temp table overdue as
select n, min(due_on) as due_on
from invoices
where
    due_on < as_of() and amount > 0 and coalesce(status, 'open') <> 'void'
    and (coalesce(status, 'open') <> 'paid' or paid_on is not null) and (paid_on is null or paid_on >= as_of())
group by n;

create temp table goodbyes as
select distinct n
from (
    select n from versions where notice_given_on <= as_of() and valid_to > as_of()
    union all
    select cancellations.n
    from cancellations inner join customers using (n)
    where requested_on < as_of() and effective_on > as_of() and requested_on >= customer_from
);

create temp table last_signs as
select n, max(day) as last_on
from (
    select n, used_on as day from usage_sums
    union all
    select n, last_on from ticket_sums
    union all
    select n, cast(max(responded_at) as date) from responses group by n
    union all
    select n, cast(active_at as date) from message_sums
    union all
    select n, max(ordered_on) from purchase_days group by n
    union all
    select n, cast(max(occurred_at) as date) from milestones group by n
)
group by n;

create table floor.account_signals as
with joined as (
    select
        accounts.account_id,
        c.relationship,
        c.customer_from,
        as_of() - c.customer_from as tenure_days,
        coalesce(u.logins, 0) as logins,
        coalesce(u.logins_before, 0) as logins_before,
        coalesce(u.breadth, 0) as breadth,
        coalesce(u.breadth_before, 0) as breadth_before,
        case when u.used_on >= c.customer_from then u.used_on else c.customer_from - 1 end as used_on,
        case when u.core_used_on >= c.customer_from then u.core_used_on else c.customer_from - 1 end as core_used_on,
        u.core_used_on as last_core_use,
        coalesce(tracked.is_tracked, false) as is_tracked,
        coalesce(tracked.is_core_tracked, false) as is_core_tracked,
        t.*  exclude (n),
        coalesce(t.tickets, 0) as tickets_now,
        coalesce(t.tickets_before, 0) as usual,
        case
            when as_of() - c.customer_from >= 196 then 168
            when as_of() - c.customer_from >= 56 then as_of() - c.customer_from - 28
            else 0
        end as reach,
        last_tickets.tickets as before_silence,
        a.* exclude (n),
        m.emails,
        m.unsubscribed,
        unread.unread,
        p.departed,
        overdue.due_on,
        goodbyes.n is not null as says_goodbye,
        onboarded.n is not null as is_onboarded,
        first_days.first_day as first_paid_on,
        purchases.last_day as purchased_on,
        greatest(last_signs.last_on, c.customer_from - 1) as sign_on
    from customers as c
    inner join accounts on c.n = accounts.n
    left join usage_sums as u on c.n = u.n
    left join tracked on accounts.business_model = tracked.business_model
    left join ticket_sums as t on c.n = t.n
    left join last_tickets on c.n = last_tickets.n
    left join answer_sums as a on c.n = a.n
    left join message_sums as m on c.n = m.n
    left join unread on c.n = unread.n
    left join people_sums as p on c.n = p.n
    left join overdue on c.n = overdue.n
    left join goodbyes on c.n = goodbyes.n
    left join (select distinct n from milestones where milestone = 'onboarding_completed') as onboarded on c.n = onboarded.n
    left join first_days on c.n = first_days.n
    left join buyers as purchases on c.n = purchases.n
    left join last_signs on c.n = last_signs.n
),

signals as (
    select
        account_id,
        unnest([
            row('login_decline', case
                when tenure_days >= 56 and logins_before >= 5
                    then cast((logins - logins_before) * 10000 as double) / cast(logins_before * 10000 as double)
            end, case when tenure_days >= 56 and logins_before >= 5 then cast(logins_before as double) end),
            row('breadth_shrinks', case
                when tenure_days >= 182 and breadth_before >= 2 and last_core_use >= as_of() - 91
                    then cast(breadth - breadth_before as double) / breadth_before
            end, case when tenure_days >= 182 and breadth_before >= 2 then cast(breadth_before as double) end),
            row('paid_unused', case
                when relationship = 'contract' and is_tracked then cast(as_of() - used_on - 1 as double)
            end, null),
            row('core_unused', case when is_core_tracked then cast(as_of() - core_used_on - 1 as double) end, null),
            row('ticket_spike', case
                when reach > 0 and usual * 28 > reach then cast(tickets_now * reach as double) / cast(usual * 28 as double)
                else cast(tickets_now as double)
            end, case when reach > 0 and usual * 28 > reach then cast(usual * 28 as double) / cast(reach as double) else 1e0 end),
            row('tickets_stopped', case when before_silence >= 4 then cast(as_of() - last_on - 1 as double) end,
                cast(before_silence as double)),
            row('nps_drop', case when as_of() < nps_on + 181 then nps - nps_before end,
                case when as_of() < nps_on + 181 then nps_before end),
            row('nps_detractor', case when as_of() < nps_on + 181 then nps end, null),
            row('csat_low', csat, null),
            row('complaint_open', coalesce(cast(as_of() - complaint_on as double), 0e0), null),
            row('slow_answers', cast(coalesce(slow, 0) as double), null),
            row('no_activity', cast(as_of() - sign_on - 1 as double), null),
            row('no_purchase', case when relationship = 'no_contract' then cast(as_of() - purchased_on - 1 as double) end, null),
            row('email_disengaged', case when emails > 0 then cast(coalesce(unread, 0) as double) end, null),
            row('newsletter_unsubscribed', cast(coalesce(unsubscribed, 0) as double), null),
            row('champion_left', cast(departed as double), null),
            row('contract_ending', cast(null as double), null),
            row('cancelled_running', case when relationship = 'contract' then cast(cast(says_goodbye as integer) as double) end, null),
            row('payment_failed', coalesce(cast(as_of() - due_on as double), 0e0), null),
            row('onboarding_incomplete', case
                when relationship = 'contract' and not is_onboarded and as_of() < first_paid_on + 120
                    then cast(as_of() - first_paid_on as double)
            end, null)
        ]::struct(signal varchar, value double, baseline double)[]) as told
    from joined
)

select account_id, told.signal, as_of() as as_of_date, told.value, told.baseline from signals;

-- === account_clv ===================================================================================================
-- what is paid for a billing interval counts day by day; what ends within one, for the days it ran
create temp table revenue as
with intervals as (
    select
        n,
        currency,
        mrr_original,
        discount_original,
        billing_interval_months,
        valid_from,
        least(valid_to, as_of()) as counted_to,
        plus_months(valid_from, i * billing_interval_months) as interval_from,
        plus_months(valid_from, (i + 1) * billing_interval_months) as interval_to
    from (
        select
            *,
            unnest(range(cast(months_from(valid_from, least(valid_to, as_of())) // billing_interval_months + 1 as bigint))) as i
        from versions
        where valid_from < as_of()
    )
    where interval_from < counted_to
),

valued as (
    select
        intervals.n,
        interval_to - interval_from as days,
        least(interval_to, counted_to) - interval_from as days_counted,
        in_euro(mrr_original * billing_interval_months, case when intervals.currency = 'EUR' then 1 else rate end) as amount,
        in_euro(discount_original * billing_interval_months, case when intervals.currency = 'EUR' then 1 else rate end) as discount
    from intervals
    left join rates on intervals.currency = rates.currency and interval_from = rates.rate_for
),

parts as (
    select
        n,
        case when days_counted = days then amount else scaled(amount, days_counted, days) end as revenue,
        case when days_counted = days then discount else scaled(discount, days_counted, days) end as discounts,
        cast(0 as decimal(38, 4)) as refunds
    from valued
    union all
    select invoices.n, 0, 0, in_euro(refunded_amount, case when invoices.currency = 'EUR' then 1 else rate end)
    from invoices
    left join rates on invoices.currency = rates.currency and issued_on = rates.rate_for
    where refunded_amount > 0 and issued_on < as_of() and coalesce(status, 'open') <> 'void'
    union all
    select n, value_gross, discount_value, value_gross - value_net from orders
)

select n, total(revenue) as revenue, total(discounts) as discounts, total(refunds) as refunds from parts group by n;

create table floor.account_clv as
with last_days as (
    select n, max(spell_end) > as_of() as is_active, least(max(spell_end), as_of()) as last_day from spells group by n
    union all
    select n, plus_months(last_day, 12) > as_of(), as_of() from buyers
)

select
    accounts.account_id,
    coalesce(members.relationship, 'none') as relationship,
    coalesce(last_days.is_active, false) as is_active,
    members.first_day as won_on,
    cast(whole_months(members.first_day, last_days.last_day) as integer) as tenure_months,
    cast(coalesce(revenue.revenue, 0) as decimal(38, 4)) as historic_revenue,
    cast(coalesce(revenue.discounts, 0) as decimal(38, 4)) as historic_discounts,
    cast(coalesce(revenue.refunds, 0) as decimal(38, 4)) as historic_refunds
from accounts
left join members on accounts.n = members.n
left join last_days on accounts.n = last_days.n
left join revenue on accounts.n = revenue.n;
