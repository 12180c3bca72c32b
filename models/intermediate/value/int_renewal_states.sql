with

histories as (
    select * from {{ ref('int_renewal_histories') }}
    where is_running
),

known_ends as (
    select * from {{ ref('int_known_ends') }}
),

-- whole months to a day ahead: the smallest number of months that reaches it
final as (
    select
        histories.as_of_date,
        histories.account_id,
        histories.own_segment,
        histories.period_months,
        histories.run_start,
        histories.complete_periods,
        histories.next_renewal_on,
        {{ months_to_reach('histories.as_of_date', 'histories.next_renewal_on') }} as months_to_renewal,
        known_ends.known_end_on,
        case
            when known_ends.known_end_on is not null
                then {{ months_to_reach('histories.as_of_date', 'known_ends.known_end_on') }}
        end as months_to_known_end
    from histories
    left join known_ends  -- at most one
        on histories.as_of_date = known_ends.as_of_date and histories.account_id = known_ends.account_id
)

select * from final
