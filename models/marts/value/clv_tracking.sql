with

as_of_dates as (
    {{ clv_as_of_dates() }}
),

fits as (
    select * from {{ ref('int_bgnbd_fits') }}
    where segment_value = 'all'
),

purchases as (
    select * from {{ ref('int_customer_purchases') }}
    where is_without_contract
),

purchase_days as (
    select * from {{ ref('int_purchase_days') }}
),

numbers as (
    {{ number_spine() }}
),

births as (
    select
        first_purchase_on,
        cast(count(*) as double) as customers
    from purchases
    group by first_purchase_on
),

origin as (
    select min(first_purchase_on) as origin from purchases
),

-- whole weeks since the first purchase of anyone
weeks as (
    select
        cast(numbers.i as integer) as week_number,
        {{ add_days('origin.origin', '7 * numbers.i') }} as week_end
    from origin
    inner join numbers on numbers.i >= 1 and {{ add_days('origin.origin', '7 * numbers.i') }} <= {{ as_of_date() }}
),

-- the same customers on both sides: those won before the date of the fit
repeats as (
    select
        as_of_dates.as_of_date,
        purchase_days.ordered_on,
        cast(count(*) as bigint) as purchases
    from purchase_days
    inner join purchases on purchase_days.account_id = purchases.account_id  -- at most one
    inner join as_of_dates on as_of_dates.as_of_date > purchases.first_purchase_on
    where purchase_days.ordered_on > purchases.first_purchase_on
    group by as_of_dates.as_of_date, purchase_days.ordered_on
),

actual as (
    select
        as_of_dates.as_of_date,
        weeks.week_number,
        weeks.week_end,
        cast(coalesce(sum(repeats.purchases), 0) as bigint) as actual_purchases
    from as_of_dates
    cross join weeks
    left join repeats on as_of_dates.as_of_date = repeats.as_of_date and weeks.week_end > repeats.ordered_on
    group by as_of_dates.as_of_date, weeks.week_number, weeks.week_end
),

-- a new customer is one without any history: what is expected of him is the expectation of the model
asked as {{ stored_cte() }} (
    select
        fits.as_of_date,
        weeks.week_number,
        births.customers,
        fits.r,
        fits.alpha,
        fits.a,
        fits.b,
        0e0 as x,
        0e0 as t_x,
        0e0 as t,
        {{ in_weeks(days_between('births.first_purchase_on', add_days('weeks.week_end', -1))) }} as weeks
    from fits
    inner join births on fits.as_of_date > births.first_purchase_on
    inner join weeks on births.first_purchase_on < weeks.week_end
    where fits.status = 'converged'
),

{{ bgnbd_expected_purchases_ctes('asked', 'answered') }},

expected as (
    select
        as_of_date,
        week_number,
        sum(customers * expected_purchases) as expected_purchases
    from answered
    group by as_of_date, week_number
),

final as (
    select
        actual.as_of_date,
        actual.week_number,
        actual.week_end,
        actual.week_end > actual.as_of_date as is_holdout,
        actual.actual_purchases as actual_repeat_purchases,
        expected.expected_purchases as expected_repeat_purchases
    from actual
    left join expected  -- at most one
        on actual.as_of_date = expected.as_of_date and actual.week_number = expected.week_number
)

select * from final
