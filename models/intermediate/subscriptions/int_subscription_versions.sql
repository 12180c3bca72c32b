with

subscriptions as (
    select * from {{ ref('subscriptions') }}
),

{{ version_steps() }},

final as (
    select * from valued
)

select * from final
