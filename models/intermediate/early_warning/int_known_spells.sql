with

versions as (
    select * from {{ ref('int_known_versions') }}
),

{{ spell_steps(['known_from', 'known_to']) }},

final as (
    select
        account_id,
        known_from,
        known_to,
        min(valid_from) as spell_start,
        max(valid_to) as spell_end
    from numbered
    group by account_id, known_from, known_to, spell_number
)

select * from final
