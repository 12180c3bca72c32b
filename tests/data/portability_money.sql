-- What the macros of money give on this engine: rounded once, half away from zero, also where a quotient of doubles or
-- of scaled decimals misses the tie. Expected by decimal arithmetic with 50 digits.
with

shares as (
    select given.* from (
        values
        (cast(100 as decimal(18, 4)), cast(1 as decimal(18, 4)), 3, cast(33.3333 as decimal(38, 4))),
        (cast(0.0001 as decimal(18, 4)), cast(1 as decimal(18, 4)), 2, cast(0.0001 as decimal(38, 4))),
        (cast(1.0005 as decimal(18, 4)), cast(3 as decimal(18, 4)), 6, cast(0.5003 as decimal(38, 4))),
        (cast(99.9999 as decimal(18, 4)), cast(2.5 as decimal(18, 4)), 12, cast(20.8333 as decimal(38, 4))),
        (
            cast(12345678.9012 as decimal(18, 4)),
            cast(1000 as decimal(18, 4)),
            36,
            cast(342935525.0333 as decimal(38, 4))
        ),
        (cast(0 as decimal(18, 4)), cast(7 as decimal(18, 4)), 1, cast(0 as decimal(38, 4)))
    ) as given (amount, quantity, months, per_month)
),

rates as (
    select given.* from (
        values
        (cast(100 as decimal(18, 4)), cast(0.91234567 as decimal(18, 8)), cast(91.2346 as decimal(38, 4))),
        (cast(0.5 as decimal(18, 4)), cast(0.0001 as decimal(18, 8)), cast(0.0001 as decimal(38, 4))),
        (cast('-0.5' as decimal(18, 4)), cast(0.0001 as decimal(18, 8)), cast('-0.0001' as decimal(38, 4))),
        (
            cast(12345678901.2345 as decimal(18, 4)),
            cast(1.00000001 as decimal(18, 8)),
            cast(12345679024.6913 as decimal(38, 4))
        )
    ) as given (amount, rate, converted)
),

parts as (
    select given.* from (
        values
        (cast(100 as decimal(38, 4)), 1, 3, cast(33.3333 as decimal(38, 4))),
        (cast(200 as decimal(38, 4)), 1, 3, cast(66.6667 as decimal(38, 4))),
        (cast(0.0003 as decimal(38, 4)), 1, 2, cast(0.0002 as decimal(38, 4))),
        (cast(99999999.9999 as decimal(38, 4)), 2999999, 3999998, cast(75000012.4999 as decimal(38, 4))),
        (cast(99999999.9999 as decimal(38, 4)), 4999999, 5000001, cast(99999959.9999 as decimal(38, 4))),
        (cast(123456789012.3456 as decimal(38, 4)), 5, 7, cast(88183420723.1040 as decimal(38, 4))),
        (cast(10 as decimal(38, 4)), 7, 7, cast(10 as decimal(38, 4))),
        (cast(10 as decimal(38, 4)), 0, 7, cast(0 as decimal(38, 4)))
    ) as given (amount, part, whole, scaled)
),

means as (
    select given.* from (
        values
        (cast(0.01 as decimal(38, 4)), 2, cast(0.01 as decimal(18, 2))),
        (cast(10 as decimal(38, 4)), 3, cast(3.33 as decimal(18, 2))),
        (cast(1.005 as decimal(38, 4)), 1, cast(1.01 as decimal(18, 2)))
    ) as given (total, heads, mean)
)

{{ facts_that_fail([
    {
        'of': 'money_per_month', 'given': 'amount', 'gives': money_per_month('amount', 'quantity', 'months'),
        'expected': 'per_month', 'rows': 'shares'
    },
    {
        'of': 'convert_money', 'given': 'amount', 'gives': convert_money('amount', 'rate'),
        'expected': 'converted', 'rows': 'rates'
    },
    {
        'of': 'scale_money', 'given': 'amount', 'gives': scale_money('amount', 'part', 'whole'),
        'expected': 'scaled', 'rows': 'parts'
    },
    {
        'of': 'scale_money_by_count', 'given': 'amount', 'gives': scale_money_by_count('amount', 'part', 'whole'),
        'expected': 'scaled', 'rows': 'parts'
    },
    {'of': 'mean_money', 'given': 'total', 'gives': mean_money('total', 'heads'), 'expected': 'mean', 'rows': 'means'},
    {
        'of': 'whole_units', 'given': 'amount', 'gives': whole_units('amount'),
        'expected': 'cast(amount * 10000 as decimal(38, 0))', 'rows': 'shares'
    },
    {
        'of': 'sum_money of nothing', 'given': 'count(*)', 'gives': sum_money('amount'),
        'expected': 'cast(0 as decimal(38, 4))', 'rows': 'shares', 'where': 'amount < 0'
    },
    {'of': 'count_where', 'given': 'count(*)', 'gives': count_where('amount > 1'), 'expected': '4', 'rows': 'shares'},
]) }}
