-- features: known from the beginning
select
    feature,
    feature in ('report', 'board') as is_core,
    feature = 'api' as is_integration,
    cast(null as timestamp) as recorded_at,
    cast(null as varchar) as planted
from unnest([
    'login', 'report', 'board', 'search', 'export', 'api', 'mobile', 'share', 'audit', 'import'
]) as features (feature)
where getvariable('from_day') <= 0
