{# The rows of an entity that a value rests on, by their keys: {"support_tickets":["K0001"]}. An aggregate. #}
{% macro evidence_of(entity, key) -%} concat('{"{{ entity }}":', {{ json_texts(key) }}, '}') {%- endmacro %}
