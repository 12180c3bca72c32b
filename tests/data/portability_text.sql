-- What the macros of text, JSON and errors give on this engine, to the character. Backslashes are written as ! and put
-- in afterwards: within a literal they are an escape on one engine and a character on the other.
with

texts (name, broken) as (
    values
    ('plain', false),
    ('Grüße, 株式会社 – ☕', false),
    (concat('tab', chr(9), 'and', chr(10), 'lines', chr(13)), false),
    ('M�ller', true),
    (concat('bell', chr(7)), true),
    (concat('deleted', chr(127)), true)
),

pairs (kind, name, value) as (
    values
    ('numbers', 'b "quoted"', 0.0008e0),
    ('numbers', 'a', -12.5e0),
    ('numbers', 'c', cast(null as double)),
    ('numbers', 'd', 0e0),
    ('numbers', 'e', 3e0),
    ('names', 'z', 1e0),
    ('names', 'a', 1e0),
    ('names', 'z', 2e0),
    ('names', cast(null as string), 3e0)
),

found as (
    select
        'has_broken_text' as macro_name,
        name as given,
        cast({{ has_broken_text('name') }} as string) as given_back,
        cast(broken as string) as expected
    from texts
    union all
    select
        'json_row' as macro_name,
        name as given,
        {{ json_row({'name': 'name', 'nothing': 'cast(null as string)', 'count': '2'}) }} as given_back,
        replace('{"name":"b !"quoted!"","nothing":null,"count":2}', '!', chr(92)) as expected
    from pairs
    where name like 'b%'
    union all
    select
        'json_string' as macro_name,
        name as given,
        {{ json_string('name') }} as given_back,
        replace('"b !"quoted!""', '!', chr(92)) as expected
    from pairs
    where name like 'b%'
    union all
    select
        'json_object_of' as macro_name,
        'numbers' as given,
        {{ json_object_of('name', 'value') }} as given_back,
        replace('{"a":-12.5,"b !"quoted!"":0.0008,"c":null,"d":0.0,"e":3.0}', '!', chr(92)) as expected
    from pairs
    where kind = 'numbers'
    union all
    select
        'json_texts' as macro_name,
        'names' as given,
        {{ json_texts('name') }} as given_back,
        '["a","z"]' as expected
    from pairs
    where kind = 'names'
    union all
    select
        'json_texts' as macro_name,
        'none' as given,
        {{ json_texts('name') }} as given_back,
        '[]' as expected
    from pairs
    where kind = 'nobody'
    union all
    select
        'row_fingerprint' as macro_name,
        'equal rows, then others' as given,
        concat(
            cast(count(distinct {{ row_fingerprint(['kind', 'name']) }}) as string), ' ',
            cast(count({{ row_fingerprint(['kind', 'name']) }}) as string)
        ) as given_back,
        '8 9' as expected
    from pairs
    union all
    select
        'raise_in_sql' as macro_name,
        name as given,
        case when length(name) > 0 then name else {{ raise_in_sql("'nobody has no name'") }} end as given_back,
        name as expected
    from texts
)

select * from found
where given_back is distinct from expected
