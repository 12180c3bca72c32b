-- What the macros of text, JSON and errors give on this engine, to the character. Backslashes are written as ! and put
-- in afterwards: within a literal they are an escape on one engine and a character on the other.
with

texts as (
    select given.* from (
        values
        ('plain', false),
        ('Grüße, 株式会社 – ☕', false),
        (concat('tab', chr(9), 'and', chr(10), 'lines', chr(13)), false),
        ('M�ller', true),
        (concat('bell', chr(7)), true),
        (concat('deleted', chr(127)), true)
    ) as given (name, broken)
),

pairs as (
    select given.* from (
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
    ) as given (kind, name, value)
)

{{ facts_that_fail([
    {'of': 'has_broken_text', 'given': 'name', 'gives': has_broken_text('name'), 'expected': 'broken', 'rows': 'texts'},
    {
        'of': 'json_row', 'given': 'name',
        'gives': json_row({'name': 'name', 'nothing': 'cast(null as string)', 'count': '2'}),
        'expected': "replace('{\"name\":\"b !\"quoted!\"\",\"nothing\":null,\"count\":2}', '!', chr(92))",
        'rows': 'pairs', 'where': "name like 'b%'"
    },
    {
        'of': 'json_string', 'given': 'name', 'gives': json_string('name'),
        'expected': "replace('\"b !\"quoted!\"\"', '!', chr(92))", 'rows': 'pairs', 'where': "name like 'b%'"
    },
    {
        'of': 'json_object_of', 'given': "'all'", 'gives': json_object_of('name', 'value'),
        'expected': "replace('{\"a\":-12.5,\"b !\"quoted!\"\":0.0008,\"c\":null,\"d\":0.0,\"e\":3.0}', '!', chr(92))",
        'rows': 'pairs', 'where': "kind = 'numbers'"
    },
    {
        'of': 'json_texts', 'given': "'all'", 'gives': json_texts('name'),
        'expected': "'[\"a\",\"z\"]'", 'rows': 'pairs', 'where': "kind = 'names'"
    },
    {
        'of': 'json_texts', 'given': "'none'", 'gives': json_texts('name'),
        'expected': "'[]'", 'rows': 'pairs', 'where': "kind = 'nobody'"
    },
    {
        'of': 'row_fingerprint', 'given': "'equal rows and others'",
        'gives': 'count(distinct ' ~ row_fingerprint(['kind', 'name']) ~ ')', 'expected': '8', 'rows': 'pairs'
    },
    {
        'of': 'raise_in_sql', 'given': 'name',
        'gives': 'case when length(name) > 0 then name else ' ~ raise_in_sql("'nobody has no name'") ~ ' end',
        'expected': 'name', 'rows': 'texts'
    },
]) }}
