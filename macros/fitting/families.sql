{#
  The likelihoods that the materialisation `fitted` knows, by name. Each family has a file with
    <name>_family()        parameters    names of the parameters, all greater than 0, in order
                           statistics    columns it reads from the model, and what no parameter changes
                           customers     aggregate: how many customers stand behind a fit
                           starts        aggregate per parameter: where to begin
                           refusals      {status: condition over aggregates}: data that nothing can be fitted to
                           information   true: terms give the expected information i_ij; false: outer products of the scores
                           natural       the columns a fit is reported in, from log parameters p_i
    <name>_terms(stats)    CTEs ending in `terms`: fit_id, n, ll, s_i (and i_ij) per row, from `running` (fit_id, e_i)
#}
{% macro fit_family(family) %}
    {%- if family == 'sbg' -%}{{ return(sbg_family()) }}
    {%- elif family == 'bgnbd' -%}{{ return(bgnbd_family()) }}
    {%- elif family == 'gamma_gamma' -%}{{ return(gamma_gamma_family()) }}
    {%- endif -%}
    {%- do exceptions.raise_compiler_error(
        "The materialisation fitted does not know the family '" ~ family ~ "'; known are: sbg, bgnbd, gamma_gamma.") -%}
{% endmacro %}

{% macro fit_terms(family, statistics) %}
    {%- if family == 'sbg' -%}{{ return(sbg_terms(statistics)) }}
    {%- elif family == 'bgnbd' -%}{{ return(bgnbd_terms(statistics)) }}
    {%- else -%}{{ return(gamma_gamma_terms(statistics)) }}
    {%- endif -%}
{% endmacro %}
