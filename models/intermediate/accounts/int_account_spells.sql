with

versions as (
    select * from {{ ref('int_paid_versions') }}
),

{{ spell_steps() }},

final as (
    select
        account_id,
        cast(spell_number as integer) as spell_number,
        min(valid_from) as spell_start,
        max(valid_to) as spell_end,
        max(valid_to) = {{ open_end() }} as is_running
    from numbered
    group by account_id, spell_number
)

select * from final
