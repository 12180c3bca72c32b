{#
  The materialisation `fitted`: a table of models fitted by maximum likelihood.

  The model's SQL gives the sufficient statistics, one row per fit and group of customers that look alike; the
  materialisation iterates over them and writes one row per fit. Every iteration is one statement for all fits at
  once, the same on every engine, so there may be hundreds of fits (segments, as-of dates) in a build.

  Config:  family      the likelihood: sbg, bgnbd or gamma_gamma (macros/fitting/<name>.sql)
           fit_keys    columns that name a fit
           whole       {column: value}: fits with this value are fitted first, alone; every other fit that agrees in the
                       rest of the keys is drawn towards that one, as if clv_shrinkage_customers customers of the whole
                       had been seen in it as well (a normal prior with the whole's information per customer)

  Method: quasi-Newton (BFGS) on the logarithms of the parameters, from the inverse of the information at the start, halving a
  step that does not raise the likelihood enough. BHHH, with the outer product of the scores in every step, needs as many
  rounds on large data and wanders for hundreds on small ones, where that product is far from the curvature. Converged: the
  decrement g' B g, the squared distance to the maximum in standard errors, is below (1e-8)^2, with a positive definite
  information matrix. A rule by small steps alone would call the right answer stalled.

  Columns: the keys, n (customers), the parameters under their names, log_likelihood (of the fit's own customers),
  iterations, status, and the covariance of the logarithms of the parameters (cov_11, cov_21 ...; null unless converged).
  Status: converged, or why there is no fit to score with:
    too_few_customers   fewer than clv_min_customers
    not_identified      the data do not tell the parameters apart
    at_boundary         a parameter runs out of all bounds (almost no dropout, no difference between customers ...)
    not_converged       no maximum within the iterations allowed
    whole_not_fitted    there is nothing to be drawn towards
    and the family's own (nobody_left, everybody_left, nobody_repeats, no_spend).
#}
{% materialization fitted, default %}
    {%- set family = config.require('family') -%}
    {%- set keys = config.require('fit_keys') -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}

    {{ run_hooks(pre_hooks) }}

    {%- set statistics = work_relation('fit_stats') -%}
    {%- set names = work_relation('fit_fits') -%}
    {%- set prior = work_relation('fit_prior') -%}
    {%- set state = namespace(current=work_relation('fit_a'), next=work_relation('fit_b'), rounds=0, running=0) -%}
    {%- for relation in [statistics, names, prior, state.current, state.next] -%}
        {%- do drop_work_relation(relation) -%}
    {%- endfor -%}

    {%- do create_work_relation(names, fit_names_sql(sql, keys, config.get('whole'))) -%}
    {%- do create_work_relation(statistics, fit_statistics_sql(sql, keys, names, family)) -%}
    {%- do create_work_relation(state.current, fit_start_sql(statistics, names, family)) -%}

    {#- the wholes first, then what is drawn towards them -#}
    {%- set steps = {} -%}
    {%- for stage in ['whole', 'part'] -%}
        {%- if stage == 'part' -%}
            {%- if var('clv_shrinkage_customers') > 0 -%}
                {%- do create_work_relation(prior, fit_prior_sql(state.current, family)) -%}
            {%- endif -%}
            {%- do fit_advance(state, fit_release_sql(state.current, family)) -%}
        {%- endif -%}
        {%- set drawn_to = prior if stage == 'part' and var('clv_shrinkage_customers') > 0 else none -%}
        {%- set state.running = fit_running(state.current) -%}
        {%- for round in range(fit_max_rounds()) -%}
            {%- if state.running > 0 -%}
                {#- the statement differs by the state it reads alone: written twice, not in every round -#}
                {%- set key = stage ~ loop.first ~ state.current -%}
                {%- if key not in steps -%}
                    {%- do steps.update({key: fit_step_sql(statistics, state.current, family, loop.first, drawn_to)}) -%}
                {%- endif -%}
                {%- do fit_advance(state, steps[key]) -%}
                {%- set state.rounds = state.rounds + 1 -%}
                {%- set state.running = fit_running(state.current) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ log(model.name ~ ': ' ~ state.rounds ~ ' rounds') }}

    {#- replaced at once: what is there stays until its successor is complete -#}
    {%- set backup = make_backup_relation(target_relation, 'table') -%}
    {%- set fresh = make_intermediate_relation(target_relation) -%}
    {%- do adapter.drop_relation(fresh) -%}
    {%- do adapter.drop_relation(backup) -%}
    {% call statement('main') -%}
        {{ create_table_as(false, fresh, fit_result_sql(state.current, names, keys, family)) }}
    {%- endcall %}
    {%- if existing is not none -%}
        {%- do adapter.rename_relation(existing, backup) -%}
    {%- endif -%}
    {%- do adapter.rename_relation(fresh, target_relation) -%}
    {%- do persist_docs(target_relation, model) -%}

    {{ run_hooks(post_hooks) }}
    {%- for relation in [statistics, names, prior, state.current, state.next] -%}
        {%- do drop_work_relation(relation) -%}
    {%- endfor -%}
    {%- do adapter.drop_relation(backup) -%}
    {{ adapter.commit() }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{% macro fit_max_rounds() %}{{ return(300) }}{% endmacro %}

{# The next state of all fits takes the place of the current one. #}
{% macro fit_advance(state, query) %}
    {%- do create_work_relation(state.next, query) -%}
    {%- do drop_work_relation(state.current) -%}
    {%- set emptied = state.current -%}
    {%- set state.current = state.next -%}
    {%- set state.next = emptied -%}
{% endmacro %}

{% macro fit_running(state) %}
    {{ return(run_query("select count(*) from " ~ state ~ " where status = 'running'").columns[0].values()[0] | int) }}
{% endmacro %}

{# One row per fit with a number, and the number of the whole it is drawn towards (its own, where it is one). #}
{% macro fit_names_sql(sql, keys, whole) -%}
    with statistics as (
        {{ sql }}
    ),

    numbered as (
        select
            {{ keys | join(', ') }},
            row_number() over (order by {{ keys | join(', ') }}) as fit_id
        from statistics
        group by {{ keys | join(', ') }}
    )

    select
        numbered.*,
        {% if whole -%} wholes.fit_id {%- else -%} numbered.fit_id {%- endif %} as whole_id
    from numbered
    {%- if whole %}
    left join numbered as wholes
        on
            wholes.{{ whole.keys() | first }} = '{{ whole.values() | first }}'
            {%- for key in keys if key not in whole %}
            and numbered.{{ key }} = wholes.{{ key }}
            {%- endfor %}
    {%- endif %}
{%- endmacro %}

{# The statistics by number of their fit, with everything a family's likelihood needs that no parameter changes. #}
{% macro fit_statistics_sql(sql, keys, names, family) -%}
    with statistics as (
        {{ sql }}
    )

    select
        names.fit_id,
        {{ fit_family(family).statistics | join(',\n        ') }}
    from statistics
    inner join {{ names }} as names
        on
            {% for key in keys -%}
            statistics.{{ key }} = names.{{ key }}{{ ' and ' if not loop.last }}
            {%- endfor %}
{%- endmacro %}

{# Where each fit begins, and which cannot. c: the logarithms to try next. #}
{% macro fit_start_sql(statistics, names, family) -%}
    {%- set spec = fit_family(family) -%}
    {%- set size = spec.parameters | length -%}
    with measured as (
        select
            fit_id,
            {{ spec.customers }} as n,
            {%- for parameter in spec.parameters %}
            {{ spec.starts[parameter] }} as start_{{ loop.index }},
            {%- endfor %}
            case
                {%- for status, condition in spec.refusals.items() %}
                when {{ condition }} then '{{ status }}'
                {%- endfor %}
                when {{ spec.customers }} < {{ var('clv_min_customers') }} then 'too_few_customers'
            end as refusal
        from {{ statistics }}
        group by fit_id
    )

    select
        measured.fit_id,
        names.whole_id,
        cast(measured.n as double) as n,
        measured.refusal,
        case
            when names.fit_id <> names.whole_id then 'waiting'
            else coalesce(measured.refusal, 'running')
        end as status,
        0 as iterations,
        1e0 as step,
        cast(null as double) as objective,
        cast(null as double) as log_likelihood
        {%- for i in range(1, size + 1) %},
        cast(ln(least(greatest(coalesce(measured.start_{{ i }}, 1e0), 1e-3), 1e4)) as double) as c_{{ i }},
        cast(null as double) as p_{{ i }},
        cast(null as double) as d_{{ i }},
        cast(null as double) as g_{{ i }}
        {%- for j in range(1, i + 1) %},
        cast(null as double) as h_{{ i }}{{ j }},
        cast(null as double) as b_{{ i }}{{ j }}
        {%- endfor %}
        {%- endfor %}
    from measured
    inner join {{ names }} as names on measured.fit_id = names.fit_id
{%- endmacro %}

{#
  What a part is drawn towards once its whole is fitted: a normal prior with the mean m and the precision q, which is the
  information of clv_shrinkage_customers customers of the whole.
#}
{% macro fit_prior_sql(state, family) -%}
    {%- set size = fit_family(family).parameters | length -%}
    select
        parts.fit_id
        {%- for i in range(1, size + 1) %},
        wholes.p_{{ i }} as m_{{ i }}
        {%- for j in range(1, i + 1) %},
        wholes.h_{{ i }}{{ j }} * {{ var('clv_shrinkage_customers') }}e0 / wholes.n as q_{{ i }}{{ j }}
        {%- endfor %}
        {%- endfor %}
    from {{ state }} as parts
    inner join {{ state }} as wholes on parts.whole_id = wholes.fit_id
    where parts.status = 'waiting' and wholes.status = 'converged'
{%- endmacro %}

{# The wholes are done: what waits for them begins where they ended. #}
{% macro fit_release_sql(state, family) -%}
    {%- set size = fit_family(family).parameters | length -%}
    select
        parts.fit_id,
        parts.whole_id,
        parts.n,
        parts.refusal,
        case
            when parts.status <> 'waiting' then parts.status
            {%- if var('clv_shrinkage_customers') > 0 %}
            when wholes.status is distinct from 'converged' then 'whole_not_fitted'
            else 'running'
            {%- else %}
            else coalesce(parts.refusal, 'running')
            {%- endif %}
        end as status,
        parts.iterations,
        parts.step,
        parts.objective,
        parts.log_likelihood,
        {%- for i in range(1, size + 1) %}
        case when parts.status = 'waiting' and wholes.status = 'converged' then wholes.p_{{ i }} else parts.c_{{ i }} end
            as c_{{ i }},
        {%- endfor %}
        {{ fit_position(size, 'parts.') }}
    from {{ state }} as parts
    left join {{ state }} as wholes on parts.whole_id = wholes.fit_id
{%- endmacro %}

{# What a fit knows beside the point c to try: the best point p, direction d, gradient g, information h, inverse b. #}
{% macro fit_position(size, of='') -%}
    {%- for i in range(1, size + 1) -%}
        {%- for vector in ['p', 'd', 'g'] -%} {{ of }}{{ vector }}_{{ i }}{{ ', ' if not (i == size and vector == 'g') }} {%- endfor -%}
    {%- endfor -%}
    {%- for i in range(1, size + 1) -%}
        {%- for j in range(1, i + 1) -%} , {{ of }}h_{{ i }}{{ j }}, {{ of }}b_{{ i }}{{ j }} {%- endfor -%}
    {%- endfor -%}
{%- endmacro %}

{#
  One round: the likelihood, its gradient and its information at the point c that each running fit wants to try; if it is
  better than the best so far, p, the next step d starts from there, else half the last step is tried.
#}
{% macro fit_step_sql(statistics, state, family, is_first, prior=none) -%}
    {%- set spec = fit_family(family) -%}
    {%- set size = spec.parameters | length -%}
    {%- set kept = ['fit_id', 'whole_id', 'n', 'refusal', 'status', 'iterations', 'step', 'objective', 'log_likelihood'] -%}
    with running as (
        select
            fit_id
            {%- for i in range(1, size + 1) %},
            exp(c_{{ i }}) as e_{{ i }}
            {%- endfor %}
        from {{ state }}
        where status = 'running'
    ),

    {{ fit_terms(family, statistics) }},

    -- terms: n rows alike, ll, s_i (scores by logarithm of the parameter) and i_ij (information) each
    summed as (
        select
            fit_id,
            sum(n * ll) as ll
            {%- for i in range(1, size + 1) %},
            sum(n * s_{{ i }}) as {{ 's' if prior else 'g' }}_{{ i }}
            {%- for j in range(1, i + 1) %},
            sum(n * {{ 'i_' ~ i ~ j if spec.information else 's_' ~ i ~ ' * s_' ~ j }}) as {{ 'i' if prior else 'h' }}_{{ i }}{{ j }}
            {%- endfor %}
            {%- endfor %}
        from terms
        group by fit_id
    ),

    {% if prior -%}
    -- how far each parameter is from the whole's
    apart as (
        select
            summed.*
            {%- for i in range(1, size + 1) %},
            state.c_{{ i }} - prior.m_{{ i }} as a_{{ i }}
            {%- for j in range(1, i + 1) %},
            prior.q_{{ i }}{{ j }}
            {%- endfor %}
            {%- endfor %}
        from summed
        inner join {{ state }} as state on summed.fit_id = state.fit_id  -- exactly one
        inner join {{ prior }} as prior on summed.fit_id = prior.fit_id  -- exactly one
    ),

    pulled as (
        select
            fit_id,
            ll
            {%- for i in range(1, size + 1) %},
            a_{{ i }},
            s_{{ i }},
            {{ row_times('q', i, 'a', size) }} as pull_{{ i }}
            {%- for j in range(1, i + 1) %},
            i_{{ i }}{{ j }} + q_{{ i }}{{ j }} as h_{{ i }}{{ j }}
            {%- endfor %}
            {%- endfor %}
        from apart
    ),

    evaluated as (
        select
            fit_id,
            ll,
            ll - 0.5e0 * ({{ dot('a', 'pull', size) }}) as tried
            {%- for i in range(1, size + 1) %},
            s_{{ i }} - pull_{{ i }} as g_{{ i }}
            {%- for j in range(1, i + 1) %},
            h_{{ i }}{{ j }}
            {%- endfor %}
            {%- endfor %}
        from pulled
    ),

    {% else -%}
    evaluated as (
        select
            *,
            ll as tried
        from summed
    ),

    {% endif -%}
    {% if is_first -%}
    {{ invert_ctes('evaluated', 'inverted', size) }},

    judged as (
        select
            {%- for column in kept %}
            state.{{ column }},
            {%- endfor %}
            {%- for i in range(1, size + 1) %}
            state.c_{{ i }},
            state.c_{{ i }} as best_c_{{ i }},
            evaluated.g_{{ i }},
            {%- for j in range(1, i + 1) %}
            evaluated.h_{{ i }}{{ j }},
            coalesce(inverted.v_{{ i }}{{ j }}, {{ '1e0 / nullif(evaluated.h_' ~ i ~ i ~ ', 0e0)' if i == j else '0e0' }}) as b_{{ i }}{{ j }},
            {%- endfor %}
            {%- endfor %}
            evaluated.ll,
            evaluated.tried,
            true as is_better
        from {{ state }} as state
        inner join evaluated on state.fit_id = evaluated.fit_id  -- exactly one
        inner join inverted on state.fit_id = inverted.fit_id  -- exactly one
        where state.status = 'running'
    ),
    {%- else -%}
    -- a sum of doubles is not exact: what is lower by less than its rounding is not lower
    compared as (
        select
            {%- for column in kept %}
            state.{{ column }},
            {%- endfor %}
            {%- for i in range(1, size + 1) %}
            state.c_{{ i }},
            state.p_{{ i }},
            evaluated.g_{{ i }} as new_g_{{ i }},
            state.g_{{ i }},
            state.c_{{ i }} - state.p_{{ i }} as s_{{ i }},
            state.g_{{ i }} - evaluated.g_{{ i }} as y_{{ i }},
            {%- for j in range(1, i + 1) %}
            evaluated.h_{{ i }}{{ j }},
            state.b_{{ i }}{{ j }},
            {%- endfor %}
            {%- endfor %}
            evaluated.ll,
            evaluated.tried,
            coalesce(evaluated.tried, -1e308) >= state.objective - 1e-11 * abs(state.objective)
            + 1e-4 * state.step * ({{ dot('state.g', 'state.d', size) }})
                as is_better
        from {{ state }} as state
        inner join evaluated on state.fit_id = evaluated.fit_id  -- exactly one
        where state.status = 'running'
    ),

    multiplied as (
        select
            *,
            {%- for i in range(1, size + 1) %}
            {{ row_times('b', i, 'y', size) }} as by_{{ i }},
            {%- endfor %}
            {{ dot('s', 'y', size) }} as sy
        from compared
    ),

    -- what the gradient has lost along the step is the curvature there; only where it has lost something is that one
    scaled as (
        select
            *,
            case when is_better and sy > 1e-300 then 1e0 / sy else 0e0 end as per_sy,
            case when is_better and sy > 1e-300 then
                (1e0 + ({{ dot('y', 'by', size) }}) / sy) / sy
            else 0e0 end as along_step
        from multiplied
    ),

    judged as (
        select
            {%- for column in kept %}
            {{ column }},
            {%- endfor %}
            {%- for i in range(1, size + 1) %}
            c_{{ i }},
            case when is_better then c_{{ i }} else p_{{ i }} end as best_c_{{ i }},
            case when is_better then new_g_{{ i }} else g_{{ i }} end as g_{{ i }},
            {%- for j in range(1, i + 1) %}
            h_{{ i }}{{ j }},
            b_{{ i }}{{ j }} - per_sy * (s_{{ i }} * by_{{ j }} + by_{{ i }} * s_{{ j }}) + along_step * s_{{ i }} * s_{{ j }} as b_{{ i }}{{ j }},
            {%- endfor %}
            {%- endfor %}
            ll,
            tried,
            is_better
        from scaled
    ),
    {%- endif %}

    aimed as (
        select
            *
            {%- for i in range(1, size + 1) %},
            {{ row_times('b', i, 'g', size) }} as d_{{ i }}
            {%- endfor %}
        from judged
    ),

    moved as (
        select
            fit_id,
            whole_id,
            n,
            refusal,
            case
                when is_better and {{ dot('g', 'd', size) }} < 1e-16 then 'converged'
                when is_better and greatest({% for i in range(1, size + 1) %}abs(c_{{ i }}){{ ', ' if not loop.last }}{% endfor %}) > 12e0
                    then 'at_boundary'
                when is_better and d_1 is null then 'not_identified'
                when not is_better and step < 1e-9 then 'not_converged'
                when iterations + 1 >= {{ fit_max_rounds() // 2 }} then 'not_converged'
                else 'running'
            end as status,
            iterations + case when is_better then 1 else 0 end as iterations,
            -- a step that multiplies a parameter by more than e^2 is none to trust
            case
                when is_better
                    then least(1e0, 2e0 / greatest({% for i in range(1, size + 1) %}abs(d_{{ i }}), {% endfor %}1e-300))
                else step / 2e0
            end as step,
            case when is_better then tried else objective end as objective,
            case when is_better then ll else log_likelihood end as log_likelihood
            {%- for i in range(1, size + 1) %},
            best_c_{{ i }} as p_{{ i }},
            d_{{ i }},
            g_{{ i }}
            {%- for j in range(1, i + 1) %},
            -- of interest where the fit converges, and there it is that of p
            h_{{ i }}{{ j }},
            b_{{ i }}{{ j }}
            {%- endfor %}
            {%- endfor %}
        from aimed
    )

    select
        {{ kept | join(',\n        ') }},
        {%- for i in range(1, size + 1) %}
        p_{{ i }} + step * d_{{ i }} as c_{{ i }},
        {%- endfor %}
        {{ fit_position(size) }}
    from moved
    union all
    select
        {{ kept | join(',\n        ') }},
        {%- for i in range(1, size + 1) %}
        c_{{ i }},
        {%- endfor %}
        {{ fit_position(size) }}
    from {{ state }}
    where status <> 'running'
{%- endmacro %}

{% macro fit_result_sql(state, names, keys, family) -%}
    {%- set parameters = fit_family(family).parameters -%}
    {%- set size = parameters | length -%}
    with state as (
        select * from {{ state }}
    ),

    {{ invert_ctes('state', 'inverted', size) }}

    select
        {%- for key in keys %}
        names.{{ key }},
        {%- endfor %}
        state.n,
        {%- for value in fit_family(family).natural %}
        case when state.status = 'converged' and inverted.v_11 is not null then {{ value.sql }} end as {{ value.name }},
        {%- endfor %}
        state.log_likelihood,
        cast(state.iterations as integer) as iterations,
        case
            when state.status in ('running', 'waiting') then 'not_converged'
            when state.status = 'converged' and inverted.v_11 is null then 'not_identified'
            else state.status
        end as status
        {%- for i in range(1, size + 1) %},
        case when state.status = 'converged' and inverted.v_11 is not null then state.p_{{ i }} end as log_{{ i }}
        {%- endfor %}
        {%- for i in range(1, size + 1) %}
        {%- for j in range(1, i + 1) %},
        case when state.status = 'converged' then inverted.v_{{ i }}{{ j }} end as cov_{{ i }}{{ j }}
        {%- endfor %}
        {%- endfor %}
    from state
    inner join inverted on state.fit_id = inverted.fit_id  -- exactly one
    inner join {{ names }} as names on state.fit_id = names.fit_id  -- exactly one
{%- endmacro %}
