/*
  What all entities of the generated CRM draw on. Nothing is random: every value is a function of the number of its
  row, so the same size gives the same rows, one month can be written without the others, and no row has to be looked
  up to write another that hangs on it.

  Variables: accounts, days (of the history), from_day and to_day (the recording days to write, from included, to not),
  skewed_share (of usage that is the first account's). Day 0 is 2023-07-01.
*/

-- A number from 0 to 1 that hangs on what it is asked for.
create or replace macro draw(subject, a, b := 0) as cast(hash(subject, cast(a as bigint), cast(b as bigint)) % 1000003 as double) / 1000003e0;

create or replace macro day_of(day) as cast(date '2023-07-01' + cast(day as integer) as date);
create or replace macro number_of(on_day) as date_diff('day', date '2023-07-01', on_day);
create or replace macro money(amount) as cast(round(amount, 2) as decimal(18, 4));
-- what lies after the last recording day written has not happened yet
create or replace macro so_far(happened, last_known) as
    case when cast(happened as date) < day_of(last_known) then happened end;

-- Accounts are won evenly over the history, in the order of their numbers. What they are like is their class, the number
-- modulo 40: all of a class stay for the same time, so those alive on a day are one run of numbers.
create or replace macro account_id(a) as 'A' || lpad(cast(a as varchar), 8, '0');
create or replace macro contact_id(a, k) as 'C' || lpad(cast(a as varchar), 8, '0') || '-' || k;
create or replace macro won_day(a) as cast(a as bigint) * getvariable('days') // getvariable('accounts');
create or replace macro first_account_of(day) as
    greatest((cast(day as bigint) * getvariable('accounts') + getvariable('days') - 1) // getvariable('days'), 0);
create or replace macro members_before(account, class) as greatest((account - class + 39) // 40, 0);

create or replace macro business_model_of(class) as
    case class % 5 when 2 then 'b2c_subscription' when 3 then 'b2c_shop' when 4 then 'b2c_shop' else 'b2b_contract' end;
-- null: stays
create or replace macro months_of_life(class) as case class % 5
    when 2 then [null, 24, 14, 10, 7, 5, 3, 2][class // 5 + 1]
    when 3 then [null, 24, 18, 12, 9, 6, 3, 1][class // 5 + 1]
    when 4 then [null, null, 20, 15, 10, 7, 4, 1][class // 5 + 1]
    else [null, null, null, 30, 24, 18, 12, 6][class // 5 + 1]
end;
create or replace macro end_of_life(a) as
    cast(day_of(won_day(a)) + to_months(cast(months_of_life(a % 40) as integer)) as date);
create or replace macro currency_of(a) as case
    when draw('currency', a) < 0.7 then 'EUR'
    when draw('currency', a) < 0.85 then 'USD'
    when draw('currency', a) < 0.95 then 'GBP'
    else 'CHF'
end;
create or replace macro size_of(a) as
    case when draw('size', a) < 0.55 then 'small' when draw('size', a) < 0.85 then 'mid' else 'large' end;
create or replace macro plan_of(a) as case
    when a % 5 = 2 then ['basic', 'plus', 'family'][1 + cast(floor(3 * draw('plan', a)) as integer)]
    else ['starter', 'team', 'business', 'enterprise'][1 + cast(floor(4 * draw('plan', a)) as integer)]
end;
create or replace macro list_price(plan) as case plan
    when 'basic' then 9.99 when 'plus' then 14.99 when 'family' then 24.99
    when 'starter' then 49 when 'team' then 149 when 'business' then 490 else 1490
end;
create or replace macro interval_of(a) as
    case when a % 5 = 2 then 1 when draw('interval', a) < 0.5 then 1 when draw('interval', a) < 0.7 then 3 else 12 end;

-- One row in a thousand is bad; `kinds` are the ways to be so, in turn.
create or replace macro flaw_of(number, kinds) as
    case when number % 1000 = 7 then kinds[1 + (number // 1000) % len(kinds)] end;

-- How many rows of each kind of event come in on each day from each class, and who is there to cause them: exactly as
-- many in all as the size says, in proportion to the accounts alive.
create or replace table deliveries as
with wanted as (
    select * from (values
        ('usage_daily', getvariable('usage') - cast(getvariable('usage') * getvariable('skewed_share') as bigint)),
        ('orders', getvariable('orders')),
        ('messages', getvariable('messages')),
        ('support_tickets', getvariable('tickets')),
        ('survey_responses', getvariable('surveys'))
    ) as wanted (entity, rows_wanted)
),

alive as (
    select
        wanted.entity,
        wanted.rows_wanted,
        days.day as recorded_day,
        classes.class,
        members_before(first_account_of(days.day - coalesce(30 * months_of_life(classes.class), 100000) + 1), classes.class)
            as first_member,
        members_before(first_account_of(days.day), classes.class) as next_member
    from wanted
    cross join range(0, getvariable('days') + 400) as days (day)
    cross join range(0, 40) as classes (class)
),

weighted as (
    select
        entity,
        recorded_day,
        class,
        first_member,
        next_member - first_member as members,
        rows_wanted,
        cast(next_member - first_member as double)
        * case when isodow(day_of(recorded_day)) > 5 then 0.4 else 1 end
        * case
            when entity = 'usage_daily' and class % 5 > 2 then 0
            when entity = 'usage_daily' then case when class // 5 % 2 = 0 then 3 else 1 end
            when entity = 'orders' and class % 5 < 3 then 0.1
            when entity = 'support_tickets' and class % 5 < 2 then 3
            else 1
        end as weight
    from alive
    where next_member > first_member
),

summed as (
    select
        *,
        sum(weight) over (partition by entity order by recorded_day, class) as weight_to,
        sum(weight) filter (where recorded_day < getvariable('days')) over (partition by entity) as weight_in_all
    from weighted
),

numbered as (
    select
        *,
        cast(floor((weight_to - weight) / weight_in_all * rows_wanted + 1e-6) as bigint) as number_from,
        cast(floor(weight_to / weight_in_all * rows_wanted + 1e-6) as bigint) as number_to
    from summed
)

select
    entity,
    cast(recorded_day as integer) as recorded_day,
    cast(class as integer) as class,
    first_member,
    members,
    number_from,
    number_to - number_from as row_count
from numbered
where number_to > number_from;

-- The rows of an entity to be written: their number, the place among those of the class and day, the account. A bad row
-- of the kind 'duplicate' or 'conflicting_duplicate' is the row before it, delivered once more.
create or replace macro placed(of_entity, kinds, back := 0) as table
with numbered as (
    select
        *,
        number_from + place as row_number,
        case
            when place > 0 or flaw_of(number_from + place, kinds) not like '%duplicate'
                then flaw_of(number_from + place, kinds)
        end as flaw
    from (
        select
            recorded_day,
            class,
            first_member,
            members,
            number_from,
            unnest(range(row_count)) as place
        from deliveries
        where entity = of_entity and recorded_day >= getvariable('from_day') - back and recorded_day < getvariable('to_day')
    )
),

repeated as (
    select
        * exclude (place),
        case when flaw like '%duplicate' then place - 1 else place end as place,
        case when flaw like '%duplicate' then row_number - 1 else row_number end as number
    from numbered
)

select
    *,
    -- one row in a hundred comes up to a year late
    case when draw('late', number) < 0.01 then 1 + cast(floor(365 * draw('days late', number)) as integer) else 0 end
        as days_late,
    40 * (first_member + cast(floor(members * draw(of_entity, number, class)) as bigint)) + class as account
from repeated;
