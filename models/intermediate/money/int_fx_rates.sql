with

fx_rates as (
    select
        currency,
        rate_on,
        rate
    from {{ ref('fx_rates') }}
    where quote_currency = '{{ var("reporting_currency") }}' and rate_on <= {{ as_of_date() }}
),

numbers as (
    {{ number_spine() }}
),

with_next as (
    select
        currency,
        rate_on,
        rate,
        lead(rate_on) over (partition by currency order by rate_on) as next_rate_on
    from fx_rates
),

-- a rate serves from its own day until the next one, but not for longer than it may be old
final as (
    select
        with_next.currency,
        {{ add_days('with_next.rate_on', 'numbers.i') }} as rate_for,
        with_next.rate,
        with_next.rate_on
    from with_next
    inner join numbers
        on
            numbers.i <= {{ var('fx_max_age_days') }}
            and {{ add_days('with_next.rate_on', 'numbers.i') }} < coalesce(with_next.next_rate_on, {{ open_end() }})
)

select * from final
