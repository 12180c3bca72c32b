{{ config(materialized='table', post_hook="{{ keep_touched('sources') }}") }}

-- depends_on: {{ ref('stg_crm__inputs') }}
-- depends_on: {{ ref('validated_accounts') }}
-- depends_on: {{ ref('validated_contacts') }}
-- depends_on: {{ ref('validated_contact_roles') }}
{% for entity in by_account_entities() -%}
-- depends_on: {{ ref('stg_crm__' ~ entity) }}
{% endfor -%}
{{ touched_sources() }}
