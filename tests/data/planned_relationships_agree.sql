-- The items of a planned relationship are discounted at one rate and counted in one currency.
select
    relationship_type,
    count(distinct discount_rate) as discount_rates,
    count(distinct currency) as currencies
from {{ ref('planned_relationships') }}
group by relationship_type
having count(distinct discount_rate) > 1 or count(distinct currency) > 1
