with

customers as (
    select
        grid_date,
        account_id,
        tenure_days,
        billing_interval_months,
        discount_share,
        seats,
        cast(mrr as double) as mrr
    from {{ ref('int_customer_dates') }}
    where relationship = 'contract'
),

states as (
    select * from {{ ref('int_signal_states') }}
    where has_data and signal not in {{ signals_not_scored() }}
),

usage_windows as (
    select * from {{ ref('int_usage_windows') }}
),

service_windows as (
    select * from {{ ref('int_service_windows') }}
),

customer_usage as (
    select
        customers.*,
        usage_windows.quantity_28,
        usage_windows.quantity_prev_28,
        usage_windows.users_28
    from customers
    left join usage_windows  -- at most one
        on
            customers.grid_date = usage_windows.grid_date
            and customers.account_id = usage_windows.account_id
            and usage_windows.feature = 'all'
),

unfolded as (
    select
        states.grid_date,
        states.account_id,
        concat('signal:', states.signal) as feature,
        case when states.is_fired then 1e0 else 0e0 end as x
    from states
    inner join customers  -- at most one
        on states.grid_date = customers.grid_date and states.account_id = customers.account_id
    {%- for name, x in {
        'usage_28': 'ln(1e0 + quantity_28)',
        'usage_prev_28': 'ln(1e0 + quantity_prev_28)',
        'usage_trend': 'ln((1e0 + quantity_28) / (1e0 + quantity_prev_28))',
        'users_28': 'ln(1e0 + users_28)',
        'use_per_seat': 'ln(1e0 + quantity_28 / case when seats > 0 then seats end)',
        'mrr_per_use': 'ln(1e0 + mrr / (1e0 + quantity_28))',
        'mrr': 'ln(1e0 + mrr)',
        'billing_months': 'cast(billing_interval_months as double)',
        'discount_share': 'discount_share',
        'tenure': 'ln(1e0 + tenure_days)'
    }.items() %}
    union all
    select
        grid_date,
        account_id,
        '{{ name }}' as feature,
        {{ x }} as x
    from customer_usage
    {%- endfor %}
    {%- for name, quantity in {'use_28': 'quantity_28', 'use_prev_28': 'quantity_prev_28'}.items() %}
    union all
    select
        grid_date,
        account_id,
        concat('{{ name }}:', feature) as feature,
        ln(1e0 + {{ quantity }}) as x
    from usage_windows
    where feature <> 'all'
    {%- endfor %}
    {%- for name, x in {
        'tickets_90': 'ln(1e0 + tickets_90)',
        'complaints_90': 'ln(1e0 + complaints_90)',
        'nps': 'nps',
        'csat': 'csat'
    }.items() %}
    union all
    select
        grid_date,
        account_id,
        '{{ name }}' as feature,
        {{ x }} as x
    from service_windows
    {%- endfor %}
),

-- what is not known has no row
final as (
    select
        grid_date,
        account_id,
        feature,
        x
    from unfolded
    where x is not null
)

select * from final
