{#
  The input contract: every entity of the CRM, its key, its columns and their rules, once.

  Staging, validation, conformed tables, quarantine, the empty relations of absent entities, their yml and the
  reader's error messages are all made from this description. `bestand generate` writes the one-line models and
  their yml from it; a test fails when they differ.

  Entity:   needed      required | contract | shop | optional
            key         columns of the key
            event_time  the column `recorded_at` defaults to (absent: always known)
            knowledge   event  - known from its event time on; may not be dated more than a day after `recorded_at`
                        before - known from the moment before its event time (versions in force from a day on)
            order       pairs of columns whose first must not be later than their second
            volume      high: rows may count in the hundreds of millions
            of_survivor describes an account: of a merged account no rows are kept, only the survivor's
            erasure     what `bestand erase` does with the rows of an erased account (of every entity that names one):
                        keep   - money, and what totals and segments need: stays under random keys
                        remove - what the account and its people did and said, and who they are
  Column:   type        text | date | timestamp | integer | decimal | rate | boolean
            required    a null is a reason to quarantine (key columns are required unless `nullable`)
            values      the list of allowed values
            references  accounts | contacts
            non_negative, positive, currency (ISO 4217), personal, max_length
            default     what a null stands for; filled in the conformed entity
            derived_from the column a null is derived from in the conformed entity
            known_later a fact that becomes known at its own time: null while it lies after the as-of date
#}
{% macro crm_contract_text() %}
{% set contract_yaml %}
accounts:
  needed: required
  erasure: keep
  of_survivor: true
  description: Customer accounts, one row per account and correction.
  key: [account_id]
  event_time: acquired_on
  knowledge: before
  order: [[acquired_on, closed_on]]
  columns:
    account_id: {type: text, description: Key of the account.}
    account_name: {type: text, personal: true, description: Name of the account; personal data where the customer is a person.}
    parent_account_id: {type: text, description: Account of the parent company.}
    merged_into: {type: text, description: Surviving account of a merge; this account counts as the survivor from the start.}
    is_test: {type: boolean, description: Test account; left out of every mart.}
    business_model: {type: text, values: [b2b_contract, b2c_subscription, b2c_shop], description: Business model the account is served under.}
    industry: {type: text, description: Industry of the account.}
    company_size: {type: text, values: [small, mid, large], derived_from: employee_count, description: Size class; derived from employee_count where absent.}
    employee_count: {type: integer, non_negative: true, description: Number of employees.}
    country_code: {type: text, max_length: 2, description: ISO 3166 country code.}
    region: {type: text, description: Sales region.}
    acquisition_channel: {type: text, description: Channel the account was won through.}
    acquired_on: {type: date, description: Local business date on which the account was won.}
    currency: {type: text, currency: true, description: Account currency.}
    gross_margin: {type: rate, description: Contribution margin as a share of revenue (0.7 is 70 %).}
    closed_on: {type: date, known_later: true, description: Date the account was closed.}
account_history:
  needed: optional
  erasure: keep
  of_survivor: true
  description: Earlier attribute values of accounts, so that segments are as they were then.
  key: [account_id, valid_from]
  event_time: valid_from
  knowledge: before
  columns:
    account_id: {type: text, references: accounts, description: Account.}
    valid_from: {type: date, description: First day on which these values hold.}
    industry: {type: text, description: Industry from that day on.}
    company_size: {type: text, values: [small, mid, large], description: Size class from that day on.}
    region: {type: text, description: Sales region from that day on.}
    account_manager_id: {type: text, description: Account manager from that day on.}
    plan_tier: {type: text, description: Plan tier from that day on.}
contacts:
  needed: optional
  erasure: remove
  description: Persons at the accounts. Personal data; never reaches a mart.
  key: [contact_id]
  event_time: created_at
  knowledge: event
  order: [[created_at, left_at]]
  columns:
    contact_id: {type: text, description: Key of the contact.}
    account_id: {type: text, required: true, references: accounts, description: Account the contact belongs to.}
    full_name: {type: text, personal: true, description: Name.}
    email: {type: text, personal: true, description: E-mail address.}
    language: {type: text, description: Preferred language.}
    created_at: {type: timestamp, description: When the contact was created (UTC).}
    left_at: {type: timestamp, known_later: true, description: When the contact left the account (UTC).}
contact_roles:
  needed: optional
  erasure: remove
  description: Roles contacts hold at their account over time.
  key: [contact_id, role, valid_from]
  event_time: valid_from
  knowledge: before
  order: [[valid_from, valid_to]]
  columns:
    contact_id: {type: text, references: contacts, description: Contact.}
    role: {type: text, values: [champion, decision_maker, power_user, user, billing], description: Role of the contact.}
    valid_from: {type: date, description: First day of the role.}
    valid_to: {type: date, known_later: true, description: First day the role is no longer held.}
consents:
  needed: optional
  erasure: remove
  description: Consents of contacts by purpose and channel.
  key: [contact_id, purpose, channel, granted_at]
  event_time: granted_at
  knowledge: event
  order: [[granted_at, withdrawn_at]]
  columns:
    contact_id: {type: text, references: contacts, description: Contact.}
    purpose: {type: text, description: Purpose consented to.}
    channel: {type: text, description: Channel consented to.}
    granted_at: {type: timestamp, description: When the consent was given (UTC).}
    withdrawn_at: {type: timestamp, known_later: true, description: When it was withdrawn (UTC).}
subscriptions:
  needed: contract
  erasure: keep
  description: Versions of subscriptions; a later valid_from ends the earlier version of the same subscription.
  key: [subscription_id, valid_from]
  event_time: valid_from
  knowledge: before
  order: [[valid_from, valid_to]]
  columns:
    subscription_id: {type: text, description: Subscription.}
    valid_from: {type: date, description: First day this version is in force.}
    account_id: {type: text, required: true, references: accounts, description: Account that pays.}
    product: {type: text, description: Product.}
    plan: {type: text, description: Plan.}
    quantity: {type: decimal, non_negative: true, default: 1, description: Quantity; 1 where absent.}
    amount: {type: decimal, required: true, non_negative: true, description: 'Price per unit and billing interval, net of recurring discount, before tax.'}
    list_amount: {type: decimal, non_negative: true, description: List price per unit and billing interval.}
    currency: {type: text, required: true, currency: true, description: Currency of the amounts.}
    billing_interval_months: {type: integer, required: true, positive: true, description: Months per billing interval.}
    valid_to: {type: date, known_later: true, description: First day not served.}
    contract_term_months: {type: integer, non_negative: true, description: Length of the contract term in months.}
    contract_end_on: {type: date, description: First day after the current contract term.}
    auto_renews: {type: boolean, description: Whether the contract renews unless cancelled.}
    is_trial: {type: boolean, description: Trial version; not paid.}
    is_paused: {type: boolean, description: 'Paused version; MRR 0, still a customer.'}
    notice_given_on: {type: date, known_later: true, description: Date on which notice was given.}
plans:
  needed: optional
  description: Price list.
  key: [plan, valid_from]
  event_time: valid_from
  knowledge: before
  columns:
    plan: {type: text, description: Plan.}
    valid_from: {type: date, description: First day of the price.}
    list_amount: {type: decimal, required: true, non_negative: true, description: List price per billing interval.}
    billing_interval_months: {type: integer, required: true, positive: true, description: Months per billing interval.}
    currency: {type: text, required: true, currency: true, description: Currency of the price.}
    seats: {type: integer, non_negative: true, description: Seats included.}
    tier_rank: {type: integer, description: 'Rank of the plan, 1 = smallest.'}
cancellations:
  needed: optional
  erasure: keep
  description: Cancellations customers asked for, with their reason.
  key: [cancellation_id]
  event_time: requested_on
  knowledge: event
  columns:
    cancellation_id: {type: text, description: Key of the cancellation.}
    account_id: {type: text, required: true, references: accounts, description: Account.}
    subscription_id: {type: text, description: Subscription; null where the whole account was cancelled.}
    requested_on: {type: date, required: true, description: Date of the request.}
    effective_on: {type: date, description: First day not served.}
    reason_code: {type: text, description: Reason given (see the reason code seed).}
    comment: {type: text, personal: true, max_length: 10000, description: Free text.}
invoices:
  needed: optional
  erasure: keep
  description: Invoices.
  key: [invoice_id]
  event_time: issued_on
  knowledge: event
  order: [[issued_on, due_on]]
  columns:
    invoice_id: {type: text, description: Key of the invoice.}
    account_id: {type: text, required: true, references: accounts, description: Account.}
    subscription_id: {type: text, description: Subscription.}
    issued_on: {type: date, required: true, description: Date of issue.}
    due_on: {type: date, description: Date due.}
    paid_on: {type: date, known_later: true, description: Date paid.}
    amount: {type: decimal, required: true, description: Amount; credit notes are negative.}
    currency: {type: text, required: true, currency: true, description: Currency.}
    status: {type: text, values: [open, paid, failed, void], description: Status.}
    refunded_amount: {type: decimal, non_negative: true, description: Amount refunded.}
orders:
  needed: shop
  erasure: keep
  description: Orders of customers, net of discount and before returns.
  key: [order_id]
  event_time: ordered_at
  knowledge: event
  columns:
    order_id: {type: text, description: Key of the order.}
    account_id: {type: text, required: true, references: accounts, description: Account.}
    ordered_at: {type: timestamp, required: true, description: When it was ordered (UTC).}
    amount: {type: decimal, required: true, non_negative: true, description: 'Order value, net of discount, before returns.'}
    discount_amount: {type: decimal, non_negative: true, description: Discount given on the order.}
    cost_amount: {type: decimal, non_negative: true, description: Cost of the goods.}
    returned_amount: {type: decimal, non_negative: true, description: Value returned.}
    currency: {type: text, required: true, currency: true, description: Currency.}
    category: {type: text, description: Category.}
    promotion_code: {type: text, description: Promotion code.}
usage_events:
  needed: optional
  erasure: remove
  volume: high
  description: Product events of accounts and their contacts.
  key: [event_id]
  event_time: occurred_at
  knowledge: event
  columns:
    event_id: {type: text, description: Key of the event.}
    account_id: {type: text, required: true, references: accounts, description: Account.}
    contact_id: {type: text, description: Contact.}
    event_name: {type: text, required: true, description: 'What happened (login, basket_add, checkout, category_view, download ...).'}
    feature: {type: text, description: Feature used.}
    quantity: {type: decimal, default: 1, description: Quantity; 1 where absent.}
    occurred_at: {type: timestamp, required: true, description: When (UTC).}
usage_daily:
  needed: optional
  erasure: remove
  volume: high
  description: Day totals of usage, for those who hold totals instead of events.
  key: [account_id, contact_id, used_on, feature]
  event_time: used_on
  knowledge: event
  columns:
    account_id: {type: text, references: accounts, description: Account.}
    contact_id: {type: text, nullable: true, description: Contact; null for totals of the account.}
    used_on: {type: date, description: Day of use.}
    feature: {type: text, description: Feature used.}
    event_name: {type: text, description: What happened.}
    quantity: {type: decimal, required: true, non_negative: true, description: How often on that day.}
features:
  needed: optional
  description: Features of the product.
  key: [feature]
  columns:
    feature: {type: text, description: Feature.}
    is_core: {type: boolean, description: Core feature.}
    is_integration: {type: boolean, description: Technical integration.}
support_tickets:
  needed: optional
  erasure: remove
  description: Support tickets.
  key: [ticket_id]
  event_time: opened_at
  knowledge: event
  order: [[opened_at, first_response_at], [opened_at, resolved_at]]
  columns:
    ticket_id: {type: text, description: Key of the ticket.}
    account_id: {type: text, required: true, references: accounts, description: Account.}
    contact_id: {type: text, description: Contact.}
    opened_at: {type: timestamp, required: true, description: When it was opened (UTC).}
    first_response_at: {type: timestamp, known_later: true, description: First response (UTC).}
    resolved_at: {type: timestamp, known_later: true, description: Resolution (UTC).}
    priority: {type: text, description: Priority.}
    is_complaint: {type: boolean, description: Complaint.}
    reopened_count: {type: integer, non_negative: true, description: How often it was reopened.}
survey_responses:
  needed: optional
  erasure: remove
  description: Surveys sent and answered.
  key: [response_id]
  event_time: sent_at
  knowledge: event
  order: [[sent_at, responded_at]]
  columns:
    response_id: {type: text, description: Key of the survey.}
    account_id: {type: text, required: true, references: accounts, description: Account.}
    contact_id: {type: text, description: Contact.}
    survey: {type: text, required: true, values: [nps, csat, cancel_reason], description: Kind of survey.}
    sent_at: {type: timestamp, required: true, description: When it was sent (UTC).}
    responded_at: {type: timestamp, known_later: true, description: When it was answered (UTC).}
    score: {type: integer, description: 'Score (NPS 0-10, CSAT 1-5).'}
    topic: {type: text, description: Topic.}
messages:
  needed: optional
  erasure: remove
  volume: high
  description: Messages sent and what became of them.
  key: [message_id]
  event_time: sent_at
  knowledge: event
  order: [[sent_at, opened_at], [sent_at, clicked_at], [sent_at, converted_at], [sent_at, unsubscribed_at]]
  columns:
    message_id: {type: text, description: Key of the message.}
    account_id: {type: text, required: true, references: accounts, description: Account.}
    contact_id: {type: text, description: Contact.}
    channel: {type: text, values: [email, postcard, call, event, chat], description: Channel.}
    purpose: {type: text, values: [newsletter, welcome, trigger, win_back, upsell, service], description: Purpose.}
    is_personalised: {type: boolean, description: Personalised.}
    trigger_event_id: {type: text, description: Event that triggered it.}
    sent_at: {type: timestamp, required: true, description: When it was sent (UTC).}
    opened_at: {type: timestamp, known_later: true, description: First opened (UTC).}
    clicked_at: {type: timestamp, known_later: true, description: First clicked (UTC).}
    converted_at: {type: timestamp, known_later: true, description: Conversion (UTC).}
    unsubscribed_at: {type: timestamp, known_later: true, description: Unsubscribed (UTC).}
    discount_percent: {type: rate, non_negative: true, description: Discount offered in percent.}
milestones:
  needed: optional
  erasure: remove
  description: Milestones of the relationship.
  key: [milestone_id]
  event_time: occurred_at
  knowledge: event
  columns:
    milestone_id: {type: text, description: Key of the milestone.}
    account_id: {type: text, required: true, references: accounts, description: Account.}
    milestone: {type: text, required: true, values: [onboarding_completed, success_event, business_review, external_expansion, integration_live, referral, review_written, feedback_given, suggestion_implemented, event_attended], description: Milestone.}
    occurred_at: {type: timestamp, required: true, description: When (UTC).}
offers:
  needed: optional
  erasure: keep
  description: Offers made and decided.
  key: [offer_id]
  event_time: offered_at
  knowledge: event
  order: [[offered_at, decided_at]]
  columns:
    offer_id: {type: text, description: Key of the offer.}
    account_id: {type: text, required: true, references: accounts, description: Account.}
    kind: {type: text, values: [upsell, cross_sell, trial_upgrade, win_back, right_size], description: Kind of offer.}
    occasion: {type: text, description: Occasion.}
    offered_at: {type: timestamp, required: true, description: When it was offered (UTC).}
    decided_at: {type: timestamp, known_later: true, description: When it was decided (UTC).}
    is_accepted: {type: boolean, description: Accepted.}
    amount: {type: decimal, description: Value of the offer in account currency.}
loyalty_memberships:
  needed: optional
  erasure: keep
  description: Memberships in loyalty programmes over time.
  key: [account_id, programme, valid_from]
  event_time: valid_from
  knowledge: before
  order: [[valid_from, valid_to]]
  columns:
    account_id: {type: text, references: accounts, description: Account.}
    programme: {type: text, description: Programme.}
    valid_from: {type: date, description: First day of the membership or tier.}
    valid_to: {type: date, known_later: true, description: First day after it.}
    programme_kind: {type: text, values: [points, status], description: Kind of programme.}
    tier: {type: text, description: Tier.}
loyalty_points:
  needed: optional
  erasure: keep
  description: Points earned and redeemed.
  key: [entry_id]
  event_time: occurred_at
  knowledge: event
  columns:
    entry_id: {type: text, description: Key of the entry.}
    account_id: {type: text, required: true, references: accounts, description: Account.}
    programme: {type: text, description: Programme.}
    points: {type: decimal, required: true, description: 'Points, + earned, - redeemed.'}
    occurred_at: {type: timestamp, required: true, description: When (UTC).}
costs:
  needed: optional
  erasure: keep
  description: Costs of acquiring, keeping and serving customers.
  key: [cost_id]
  event_time: period_start
  knowledge: before
  order: [[period_start, period_end]]
  columns:
    cost_id: {type: text, description: Key of the cost.}
    period_start: {type: date, required: true, description: First day of the period.}
    period_end: {type: date, required: true, description: First day after the period.}
    kind: {type: text, required: true, values: [acquisition, retention, service], description: Kind of cost.}
    category: {type: text, values: [team, software, rewards, recognition, advertising, sales], description: Category.}
    channel: {type: text, description: Acquisition channel.}
    account_id: {type: text, references: accounts, description: Account; null where the cost is shared.}
    amount: {type: decimal, required: true, description: Amount.}
    currency: {type: text, required: true, currency: true, description: Currency.}
account_managers:
  needed: optional
  erasure: keep
  of_survivor: true
  description: Who managed which account when.
  key: [account_id, valid_from]
  event_time: valid_from
  knowledge: before
  order: [[valid_from, valid_to]]
  columns:
    account_id: {type: text, references: accounts, description: Account.}
    valid_from: {type: date, description: First day.}
    valid_to: {type: date, known_later: true, description: First day after.}
    account_manager_id: {type: text, required: true, description: Account manager.}
alert_feedback:
  needed: optional
  erasure: remove
  description: What users said of alerts.
  key: [alert_id, given_at]
  event_time: given_at
  knowledge: event
  columns:
    alert_id: {type: text, description: Alert.}
    given_at: {type: timestamp, description: When (UTC).}
    verdict: {type: text, required: true, values: [acknowledged, acted, not_relevant], description: Verdict.}
    given_by: {type: text, personal: true, description: Who.}
fx_rates:
  needed: optional
  description: Exchange rates; one unit of currency is worth rate units of quote_currency.
  key: [currency, quote_currency, rate_on]
  event_time: rate_on
  knowledge: before
  columns:
    currency: {type: text, currency: true, description: Currency converted from.}
    quote_currency: {type: text, currency: true, description: Currency converted to.}
    rate_on: {type: date, description: Day of the rate.}
    rate: {type: rate, required: true, positive: true, description: Units of quote_currency for one unit of currency.}
erasure_requests:
  needed: optional
  erasure: remove
  description: Requests of persons to be forgotten.
  key: [subject_kind, subject_id]
  event_time: requested_on
  knowledge: event
  columns:
    subject_kind: {type: text, values: [account, contact], description: What is to be erased.}
    subject_id: {type: text, description: Key of the account or contact.}
    requested_on: {type: date, required: true, description: Date of the request.}
{% endset %}
{{ return(contract_yaml) }}
{% endmacro %}

{# The whole contract: {entity: {needed, description, key, ..., columns}}. #}
{% macro crm_contract() %}{{ return(fromyaml(crm_contract_text())) }}{% endmacro %}
