{{ config(materialized='table') }}

-- Checks the whole input before anything else is built: one error lists all that does not fit.
{%- set inputs = crm_inputs() %}

with inputs as (
    select entities.*
    from (
        values
        {%- for entity in crm_contract() %}
        {%- set input = inputs.get(entity, {'is_supplied': false, 'format': none}) %}
        ('{{ entity }}', {{ input.is_supplied | lower }}, {{ "'" ~ input.format ~ "'" if input.format else 'null' }})
        {{- ',' if not loop.last }}
        {%- endfor %}
    ) as entities (entity, is_supplied, input_format)
),

final as (
    select
        cast(entity as string) as entity,
        cast(is_supplied as boolean) as is_supplied,
        cast(input_format as string) as input_format
    from inputs
)

select * from final
