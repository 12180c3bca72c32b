{{ config(materialized='table') }}

-- Checks the whole input before anything else is built: one error lists all that does not fit.
{%- set inputs = crm_inputs() %}

with final as (
    {%- for entity in crm_contract() %}
    select
        '{{ entity }}' as entity,
        cast({{ inputs[entity].is_supplied if entity in inputs else false }} as boolean) as is_supplied,
        cast({{ "'" ~ inputs[entity].format ~ "'" if entity in inputs and inputs[entity].format else 'null' }} as string)
            as input_format
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select * from final
