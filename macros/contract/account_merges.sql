{# How many merges in a row are followed. #}
{% macro crm_merge_hops() %}{{ return(5) }}{% endmacro %}

{#
  Follows merged_into through the accounts of `current_rows`, hop by hop. `open_end` is the target that the last account
  found names but that is not among them (null: the chain ends well).
#}
{% macro crm_merge_walk(current_rows) -%}
    {%- set hops = range(1, crm_merge_hops() + 1) | list %}
    select
        start.account_id,
        start.known_at,
        start.merged_into,
        {%- for hop in hops %}
        hop_{{ hop }}.account_id as hop_{{ hop }},
        {%- endfor %}
        coalesce(
            {%- for hop in hops | reverse %}
            hop_{{ hop }}.account_id,
            {%- endfor %}
            start.account_id
        ) as surviving_account_id,
        case
            {%- for hop in hops | reverse %}
            when hop_{{ hop }}.account_id is not null then hop_{{ hop }}.merged_into
            {%- endfor %}
            else start.merged_into
        end as open_end,
        (
            coalesce(start.is_test, false)
            {%- for hop in hops %}
            or coalesce(hop_{{ hop }}.is_test, false)
            {%- endfor %}
        ) as is_test_account
    from {{ current_rows }} as start
    {%- for hop in hops %}
    left join {{ current_rows }} as hop_{{ hop }}
        on {{ 'start' if hop == 1 else 'hop_' ~ (hop - 1) }}.merged_into = hop_{{ hop }}.account_id
    {%- endfor %}
    where start.merged_into is not null
{%- endmacro %}

{#
  Accounts settle with their merges. A row that merges into itself in a circle or into an account nobody knows is
  quarantined and out of the contest, so that an older good row stands again; after that second contest whatever still
  does not end well is quarantined. A target that is not yet known leaves the account standing for itself: seen from
  the as-of date the merge has not happened.
#}
{% macro crm_account_merges() -%}
{%- set spec = crm_entity('accounts') -%}
{%- set hops = range(1, crm_merge_hops() + 1) | list %}
standing as (
    select account_id, merged_into, is_test, known_at, newest_known_at, coalesce(is_deleted, false) as is_deleted
    from contested
    where is_entrant and copy_number = 1
),

future_accounts as (
    select account_id
    from contested
    where own_reasons is null and is_not_yet_known
    group by account_id
),

first_current as (
    select * from standing where known_at = newest_known_at and not is_deleted
),

first_walk as ({{ crm_merge_walk('first_current') }}
),

own_faults as (
    select
        first_walk.account_id,
        first_walk.known_at,
        case when first_walk.hop_1 is null then 'unknown_account' else 'merge_cycle' end as fault
    from first_walk
    left join future_accounts on first_walk.merged_into = future_accounts.account_id
    where
        (first_walk.hop_1 is null and future_accounts.account_id is null)
        {%- for hop in hops %}
        or coalesce(first_walk.hop_{{ hop }} = first_walk.account_id, false)
        {%- endfor %}
),

sound as (
    select standing.*
    from standing
    left join own_faults
        on standing.account_id = own_faults.account_id and standing.known_at = own_faults.known_at
    where own_faults.account_id is null
),

newest_sound as (
    select account_id, max(known_at) as newest_sound_at
    from sound
    group by account_id
),

second_current as (
    select sound.*
    from sound
    inner join newest_sound
        on sound.account_id = newest_sound.account_id and sound.known_at = newest_sound.newest_sound_at
    where not sound.is_deleted
),

second_walk as ({{ crm_merge_walk('second_current') }}
),

merge_ends as (
    select
        second_walk.account_id,
        second_walk.known_at,
        second_walk.surviving_account_id,
        second_walk.is_test_account,
        case
            when second_walk.open_end is null or future_accounts.account_id is not null then null
            when second_walk.hop_{{ crm_merge_hops() }} is not null then 'merge_cycle'
            else 'unknown_account'
        end as fault
    from second_walk
    left join future_accounts on second_walk.open_end = future_accounts.account_id
),

faults as (
    select account_id, known_at, fault from own_faults
    union all
    select account_id, known_at, fault from merge_ends where fault is not null
),

settled as (
    select
        {%- for name in spec.input_columns %}
        contested.{{ name }},
        contested.raw_{{ name }},
        {%- endfor %}
        contested.known_at,
        case
            when merge_ends.fault is null then coalesce(merge_ends.surviving_account_id, contested.account_id)
            else contested.account_id
        end as surviving_account_id,
        (contested.is_test_account or coalesce(merge_ends.is_test_account, false)) as is_test_account,
        case
            when contested.own_reasons is not null then contested.own_reasons
            when contested.is_not_yet_known then null
            when contested.copy_number > 1 and contested.content_number = 1 then 'duplicate'
            when contested.copy_number > 1 then 'conflicting_duplicate'
            else faults.fault
        end as reasons,
        case
            when contested.own_reasons is not null then 'quarantined'
            when contested.is_not_yet_known then 'not_yet_known'
            when contested.copy_number > 1 or faults.fault is not null then 'quarantined'
            when contested.known_at < newest_sound.newest_sound_at then 'superseded'
            when coalesce(contested.is_deleted, false) then 'superseded'
            else 'accepted'
        end as disposition
    from contested
    left join faults on contested.account_id = faults.account_id and contested.known_at = faults.known_at
    left join newest_sound on contested.account_id = newest_sound.account_id
    left join merge_ends on contested.account_id = merge_ends.account_id
),
{% endmacro %}
