-- Whom the rows of an account count for: itself, or the account it was merged into.
with validated_accounts as (
    select * from {{ ref('validated_accounts') }}
),

final as (
    select
        source_account_id,
        account_id,
        source_account_id <> account_id as is_merged,
        is_test_account
    from validated_accounts
    where disposition = 'accepted'
)

select * from final
