{{ config(materialized='table') }}

-- Checks the whole input before anything else is built: one error lists all that does not fit.
{%- set inputs = crm_inputs() %}

with final as (
    {%- for entity in crm_contract() %}
    {%- set input = inputs.get(entity, {'is_supplied': false, 'format': none}) %}
    select
        '{{ entity }}' as entity,
        cast({{ input.is_supplied }} as boolean) as is_supplied,
        cast({{ "'" ~ input.format ~ "'" if input.format else 'null' }} as string) as input_format
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select * from final
