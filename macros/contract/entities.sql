{#
  One entity of the contract as the generators need it:
    name, key, columns (in contract order), input_columns (these and the three every entity may carry),
    needed_columns (those that must be in the input: key and required), text_columns, parents ({column: entity}).
#}
{% macro crm_entity(entity) %}
    {#- Only the entity's own block is read as YAML: the whole, a hundred times over, costs seconds. -#}
    {%- set block = modules.re.search('(?ms)^' ~ entity ~ ':\n.*?(?=^\\S|\\Z)', crm_contract_text()) -%}
    {%- if not block -%}
        {%- do exceptions.raise_compiler_error("The input contract knows no entity '" ~ entity ~ "'.") -%}
    {%- endif -%}
    {%- set spec = fromyaml(block.group(0))[entity] -%}
    {%- set needed = [] -%}
    {%- set texts = [] -%}
    {%- set parents = {} -%}
    {%- for name, column in spec.columns.items() -%}
        {%- if (name in spec.key and not column.get('nullable')) or column.get('required') -%}
            {%- do needed.append(name) -%}
        {%- endif -%}
        {%- if column.type == 'text' -%}{%- do texts.append(name) -%}{%- endif -%}
        {%- if column.get('references') -%}{%- do parents.update({name: column.references}) -%}{%- endif -%}
    {%- endfor -%}
    {%- set input_columns = {} -%}
    {%- do input_columns.update(spec.columns) -%}
    {%- do input_columns.update(crm_common_columns()) -%}
    {%- do spec.update({
        'name': entity, 'input_columns': input_columns, 'needed_columns': needed, 'text_columns': texts,
        'parents': parents, 'has_account': 'account_id' in spec.columns
    }) -%}
    {{ return(spec) }}
{% endmacro %}

{# What every entity may carry beside its own columns. #}
{% macro crm_common_columns() %}
    {{ return({
        'recorded_at': {'type': 'timestamp'},
        'is_deleted': {'type': 'boolean'},
        'source_system': {'type': 'text'}
    }) }}
{% endmacro %}

{# The SQL type of a contract type. #}
{% macro crm_sql_type(type) %}
    {{ return({'text': 'string', 'decimal': 'decimal(18, 4)', 'rate': 'decimal(18, 8)'}.get(type, type)) }}
{% endmacro %}

{# ISO 4217: the currencies in use, and those the euro has replaced since 2002, which older rows still carry. #}
{% macro iso_currencies() %}
    {{ return((
        'AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP'
        ~ ' BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EEK EGP ERN'
        ~ ' ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD'
        ~ ' JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LTL LVL LYD MAD MDL MGA MKD MMK'
        ~ ' MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG'
        ~ ' QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SIT SKK SLE SLL SOS SRD SSP STN SVC SYP SZL THB'
        ~ ' TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG'
        ~ ' XOF XPF YER ZAR ZMW ZWG ZWL'
    ).split(' ')) }}
{% endmacro %}
