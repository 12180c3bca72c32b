-- What a value of the input is read as on this engine, and what is none: the same texts are refused everywhere.
with

dates as (
    select given.* from (
        values
        ('2026-07-01', date '2026-07-01'),
        (' 2026-07-01 ', date '2026-07-01'),
        ('2026-7-1', date '2026-07-01'),
        ('2026-07-01 00:00:00', date '2026-07-01'),
        ('2026-07-01 10:00:00', cast(null as date)),
        ('2026-02-30', cast(null as date)),
        ('01.07.2026', cast(null as date)),
        ('07/01/2026', cast(null as date)),
        ('2026', cast(null as date)),
        ('2026-07', cast(null as date)),
        ('12:30', cast(null as date)),
        ('10000-01-01', cast(null as date)),
        ('tomorrow', cast(null as date)),
        ('', cast(null as date)),
        (cast(null as string), cast(null as date))
    ) as given (raw, expected)
),

timestamps as (
    select given.* from (
        values
        ('2026-07-01 12:00:00', timestamp '2026-07-01 12:00:00'),
        ('2026-07-01T12:00:00Z', timestamp '2026-07-01 12:00:00'),
        ('2026-07-01 12:00:00+02:00', timestamp '2026-07-01 10:00:00'),
        ('2026-07-01T00:30:00-05:00', timestamp '2026-07-01 05:30:00'),
        ('2026-07-01 12:00:00.123456', timestamp '2026-07-01 12:00:00.123456'),
        ('2026-07-01', timestamp '2026-07-01 00:00:00'),
        (' 2026-07-01 ', timestamp '2026-07-01 00:00:00'),
        ('2026-07-01 25:00:00', cast(null as timestamp)),
        ('12:30:00', cast(null as timestamp)),
        ('2026-07', cast(null as timestamp)),
        ('10000-01-01 00:00:00', cast(null as timestamp)),
        ('noon', cast(null as timestamp)),
        ('', cast(null as timestamp))
    ) as given (raw, expected)
),

integers as (
    select given.* from (
        values
        ('3', 3),
        (' 3 ', 3),
        ('3.0', 3),
        ('-7', -7),
        ('3.7', cast(null as integer)),
        ('99999999999', cast(null as integer)),
        ('three', cast(null as integer)),
        ('', cast(null as integer))
    ) as given (raw, expected)
),

decimals as (
    select given.* from (
        values
        ('12.3456', cast(12.3456 as decimal(18, 4))),
        ('-0.5', cast('-0.5' as decimal(18, 4))),
        ('1,5', cast(null as decimal(18, 4))),
        ('12 EUR', cast(null as decimal(18, 4))),
        ('', cast(null as decimal(18, 4)))
    ) as given (raw, expected)
),

booleans as (
    select given.* from (
        values
        ('true', true),
        (' YES ', true),
        ('1', true),
        ('f', false),
        ('No', false),
        ('0', false),
        ('maybe', cast(null as boolean)),
        ('', cast(null as boolean))
    ) as given (raw, expected)
),

texts as (
    select given.* from (
        values
        (' ab ', 'ab'),
        ('  ', cast(null as string)),
        ('', cast(null as string))
    ) as given (raw, expected)
)

{% set facts = [
    {'of': 'currency', 'given': 'raw', 'gives': parse_value('text', 'raw', is_currency=true),
        'expected': 'upper(expected)', 'rows': 'texts'},
    {'of': 'typed date', 'given': 'raw', 'gives': parse_value('date', 'expected'), 'expected': 'expected', 'rows': 'dates'},
    {'of': 'typed timestamp', 'given': 'raw', 'gives': parse_value('timestamp', 'expected'),
        'expected': 'expected', 'rows': 'timestamps'},
] %}
{% for type in ['date', 'timestamp', 'integer', 'decimal', 'boolean', 'text'] %}
    {% do facts.append({
        'of': type, 'given': 'raw', 'gives': parse_value(type, 'raw'), 'expected': 'expected', 'rows': type ~ 's'
    }) %}
{% endfor %}
{{ facts_that_fail(facts) }}
