-- What the macros of money give on this engine: rounded once, half away from zero, also where a quotient of doubles or
-- of scaled decimals misses the tie. Expected by decimal arithmetic with 50 digits.
with

shares (amount, quantity, months, per_month) as (
    values
    (cast(100 as decimal(18, 4)), cast(1 as decimal(18, 4)), 3, cast(33.3333 as decimal(38, 4))),
    (cast(0.0001 as decimal(18, 4)), cast(1 as decimal(18, 4)), 2, cast(0.0001 as decimal(38, 4))),
    (cast(1.0005 as decimal(18, 4)), cast(3 as decimal(18, 4)), 6, cast(0.5003 as decimal(38, 4))),
    (cast(99.9999 as decimal(18, 4)), cast(2.5 as decimal(18, 4)), 12, cast(20.8333 as decimal(38, 4))),
    (cast(12345678.9012 as decimal(18, 4)), cast(1000 as decimal(18, 4)), 36, cast(342935525.0333 as decimal(38, 4))),
    (cast(0 as decimal(18, 4)), cast(7 as decimal(18, 4)), 1, cast(0 as decimal(38, 4)))
),

rates (amount, rate, converted) as (
    values
    (cast(100 as decimal(18, 4)), cast(0.91234567 as decimal(18, 8)), cast(91.2346 as decimal(38, 4))),
    (cast(0.5 as decimal(18, 4)), cast(0.0001 as decimal(18, 8)), cast(0.0001 as decimal(38, 4))),
    (cast(-0.5 as decimal(18, 4)), cast(0.0001 as decimal(18, 8)), cast(-0.0001 as decimal(38, 4))),
    (
        cast(12345678901.2345 as decimal(18, 4)),
        cast(1.00000001 as decimal(18, 8)),
        cast(12345679024.6913 as decimal(38, 4))
    )
),

parts (amount, part, whole, scaled) as (
    values
    (cast(100 as decimal(38, 4)), 1, 3, cast(33.3333 as decimal(38, 4))),
    (cast(200 as decimal(38, 4)), 1, 3, cast(66.6667 as decimal(38, 4))),
    (cast(0.0003 as decimal(38, 4)), 1, 2, cast(0.0002 as decimal(38, 4))),
    (cast(99999999.9999 as decimal(38, 4)), 2999999, 3999998, cast(75000012.4999 as decimal(38, 4))),
    (cast(99999999.9999 as decimal(38, 4)), 4999999, 5000001, cast(99999959.9999 as decimal(38, 4))),
    (cast(123456789012.3456 as decimal(38, 4)), 5, 7, cast(88183420723.1040 as decimal(38, 4))),
    (cast(10 as decimal(38, 4)), 7, 7, cast(10 as decimal(38, 4))),
    (cast(10 as decimal(38, 4)), 0, 7, cast(0 as decimal(38, 4)))
),

means (total, heads, mean) as (
    values
    (cast(0.01 as decimal(38, 4)), 2, cast(0.01 as decimal(18, 2))),
    (cast(10 as decimal(38, 4)), 3, cast(3.33 as decimal(18, 2))),
    (cast(1.005 as decimal(38, 4)), 1, cast(1.01 as decimal(18, 2)))
),

found as (
    select
        'money_per_month' as macro_name,
        amount as given,
        cast({{ money_per_month('amount', 'quantity', 'months') }} as decimal(38, 4)) as given_back,
        per_month as expected
    from shares
    union all
    select
        'convert_money' as macro_name,
        amount as given,
        {{ convert_money('amount', 'rate') }} as given_back,
        converted as expected
    from rates
    union all
    select
        'scale_money' as macro_name,
        amount as given,
        {{ scale_money('amount', 'part', 'whole') }} as given_back,
        scaled as expected
    from parts
    union all
    select
        'scale_money_by_count' as macro_name,
        amount as given,
        {{ scale_money_by_count('amount', 'part', 'whole') }} as given_back,
        scaled as expected
    from parts
    union all
    select
        'mean_money' as macro_name,
        total as given,
        cast({{ mean_money('total', 'heads') }} as decimal(38, 4)) as given_back,
        cast(mean as decimal(38, 4)) as expected
    from means
    union all
    select
        'whole_units' as macro_name,
        amount as given,
        cast({{ whole_units('amount') }} as decimal(38, 4)) as given_back,
        cast(amount * 10000 as decimal(38, 4)) as expected
    from shares
    union all
    select
        'sum_money' as macro_name,
        cast(count(*) as decimal(18, 4)) as given,
        {{ sum_money('amount') }} as given_back,
        cast(0 as decimal(38, 4)) as expected
    from shares
    where amount < 0
    union all
    select
        'count_where' as macro_name,
        cast(count(*) as decimal(18, 4)) as given,
        cast({{ count_where('amount > 1') }} as decimal(38, 4)) as given_back,
        cast(4 as decimal(38, 4)) as expected
    from shares
)

select * from found
where given_back is distinct from expected
