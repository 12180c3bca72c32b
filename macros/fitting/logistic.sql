{#
  The materialisation `logistic`: a table of the weights of logistic regressions, each drawn towards its priors.

  The model's SQL gives long rows of two kinds:
    an observation's     fit, observation, y (0 or 1), feature, x (centred and scaled; a row with x = 0 may be missing, but each
                         observation has one row at least), prior and precision null
    a feature's          fit, feature, prior, precision (greater than 0), observation, y and x null: one per fit and feature. What
                         has no such row is no feature of the fit; a fit without observations keeps its priors.
  Written for all fits at once: the weights at which  sum of log-likelihoods - sum of precision / 2 * (weight - prior)^2  is
  largest. There is exactly one such point, also where nobody or everybody churned or a feature tells them apart.

  Method: Newton, halving a step that does not raise the objective enough. The observations lie in blocks of eight features
  side by side, so that sums over pairs of features are 64 columns of one statement, however many features there are, and no
  statement grows with their number. The curvature is inverted in place by Gauss and Jordan, a pivot per statement for all
  fits; the gradient is one more column, which then holds the step. Converged: the decrement g' B g, the squared distance to
  the maximum in standard errors, is below (1e-8)^2.

  Columns: fit, feature, prior, weight, standard_error (from the inverse curvature at the end), observations, churned,
  log_likelihood (without the pull of the priors), iterations, status: converged, priors_only (no observations; the weights are
  the priors), not_converged (no weights).
#}
{% materialization logistic, default %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}

    {{ run_hooks(pre_hooks) }}

    {%- set work = {} -%}
    {%- for suffix in ['input', 'features', 'names', 'observations', 'blocks', 'points', 'points_next', 'fits', 'fits_next',
                       'scored', 'judged', 'gradient', 'curvature', 'system', 'swept'] -%}
        {%- do work.update({suffix: work_relation('fit_' ~ suffix)}) -%}
        {%- do drop_work_relation(work[suffix]) -%}
    {%- endfor -%}

    {%- do create_work_relation(work.input, sql) -%}
    {%- do create_work_relation(work.features, logistic_features_sql(work)) -%}
    {%- do create_work_relation(work.names, logistic_names_sql(work)) -%}
    {%- do create_work_relation(work.observations, logistic_observations_sql(work)) -%}
    {%- do create_work_relation(work.blocks, logistic_blocks_sql(work)) -%}
    {%- do create_work_relation(work.fits, logistic_start_sql(work)) -%}
    {%- do create_work_relation(work.points, logistic_points_sql(work)) -%}

    {%- set state = namespace(running=fit_running(work.fits), rounds=0) -%}
    {%- set size = run_query('select count(distinct i) from ' ~ work.features).columns[0].values()[0] | int -%}
    {%- set statements = {} -%}
    {%- for round in range(logistic_max_rounds()) -%}
        {%- if state.running > 0 -%}
            {%- do logistic_replace(work, 'scored', logistic_scored_sql(work)) -%}
            {%- do logistic_replace(work, 'judged', logistic_judged_sql(work)) -%}
            {%- do logistic_replace(work, 'gradient', logistic_gradient_sql(work)) -%}
            {%- do logistic_replace(work, 'curvature', logistic_curvature_sql(work)) -%}
            {%- do logistic_replace(work, 'system', logistic_system_sql(work)) -%}
            {%- do logistic_invert(work, size, statements) -%}
            {%- do logistic_replace(work, 'points_next', logistic_points_next_sql(work)) -%}
            {%- do logistic_replace(work, 'fits_next', logistic_fits_next_sql(work)) -%}
            {%- do logistic_swap(work, 'points', 'points_next') -%}
            {%- do logistic_swap(work, 'fits', 'fits_next') -%}
            {%- set state.rounds = state.rounds + 1 -%}
            {%- set state.running = fit_running(work.fits) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ log(model.name ~ ': ' ~ state.rounds ~ ' rounds') }}

    {#- replaced at once: what is there stays until its successor is complete -#}
    {%- set backup = make_backup_relation(target_relation, 'table') -%}
    {%- set fresh = make_intermediate_relation(target_relation) -%}
    {%- do adapter.drop_relation(fresh) -%}
    {%- do adapter.drop_relation(backup) -%}
    {% call statement('main') -%}
        {{ create_table_as(false, fresh, logistic_result_sql(work)) }}
    {%- endcall %}
    {%- if existing is not none -%}
        {%- do adapter.rename_relation(existing, backup) -%}
    {%- endif -%}
    {%- do adapter.rename_relation(fresh, target_relation) -%}
    {%- do persist_docs(target_relation, model) -%}

    {{ run_hooks(post_hooks) }}
    {%- for relation in work.values() -%}
        {%- do drop_work_relation(relation) -%}
    {%- endfor -%}
    {%- do adapter.drop_relation(backup) -%}
    {{ adapter.commit() }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{% macro logistic_max_rounds() %}{{ return(100) }}{% endmacro %}

{# Features side by side in a row of the work tables. #}
{% macro logistic_width() %}{{ return(8) }}{% endmacro %}

{% macro logistic_pivots() %}{{ return(9) }}{% endmacro %}

{% macro logistic_replace(work, name, query) %}
    {%- do drop_work_relation(work[name]) -%}
    {%- do create_work_relation(work[name], query) -%}
{% endmacro %}

{# Two work tables change places. #}
{% macro logistic_swap(work, one, other) %}
    {%- do work.update({one: work[other], other: work[one]}) -%}
{% endmacro %}

{# One row per fit and feature: its prior, its number from 0, its block and its place in the block (slot, from 1). #}
{% macro logistic_features_sql(work) -%}
    with numbered as (
        select
            fit,
            feature,
            cast(prior as double) as prior,
            cast(precision as double) as precision,
            dense_rank() over (order by feature) - 1 as i
        from {{ work.input }}
        where observation is null
    )

    select
        fit,
        feature,
        prior,
        precision,
        cast(i as integer) as i,
        cast(floor(i / {{ logistic_width() }}e0) as integer) as block,
        cast(i - {{ logistic_width() }} * floor(i / {{ logistic_width() }}e0) as integer) + 1 as slot
    from numbered
{%- endmacro %}

{# One row per fit. #}
{% macro logistic_names_sql(work) -%}
    select
        fit,
        cast(row_number() over (order by fit) as integer) as fit_id
    from {{ work.features }}
    group by fit
{%- endmacro %}

{# One row per fit and observation, numbered through. #}
{% macro logistic_observations_sql(work) -%}
    select
        input.fit,
        input.observation,
        names.fit_id,
        row_number() over (order by input.fit, input.observation) as observation_id,
        cast(max(input.y) as double) as y
    from {{ work.input }} as input
    inner join {{ work.names }} as names on input.fit = names.fit  -- exactly one
    where input.observation is not null
    group by input.fit, input.observation, names.fit_id
{%- endmacro %}

{# One row per observation and block: x of its features side by side. #}
{% macro logistic_blocks_sql(work) -%}
    select
        observations.fit_id,
        observations.observation_id,
        features.block
        {%- for slot in range(1, logistic_width() + 1) %},
        sum(case when features.slot = {{ slot }} then input.x else 0e0 end) as x_{{ slot }}
        {%- endfor %}
    from {{ work.input }} as input
    inner join {{ work.observations }} as observations  -- exactly one
        on input.fit = observations.fit and input.observation = observations.observation
    inner join {{ work.features }} as features on input.fit = features.fit and input.feature = features.feature  -- at most one
    where input.x <> 0e0
    group by observations.fit_id, observations.observation_id, features.block
{%- endmacro %}

{# One row per fit: where it stands. Nothing is tried yet. #}
{% macro logistic_start_sql(work) -%}
    with counted as (
        select
            fit_id,
            count(*) as observations,
            sum(y) as churned
        from {{ work.observations }}
        group by fit_id
    )

    select
        names.fit_id,
        names.fit,
        coalesce(counted.observations, 0) as observations,
        coalesce(counted.churned, 0e0) as churned,
        case when counted.observations > 0 then 'running' else 'priors_only' end as status,
        0 as iterations,
        1e0 as step,
        cast(null as double) as objective,
        cast(null as double) as log_likelihood,
        cast(null as double) as decrement
    from {{ work.names }} as names
    left join counted on names.fit_id = counted.fit_id  -- at most one
{%- endmacro %}

{#
  One row per fit and feature: its prior, the best weight so far and the direction to try from there, step by step. It begins
  at the priors with the intercept at the base rate. A feature that a fit does not have stands there as one that nothing
  moves, so that all fits are equally large.
#}
{% macro logistic_points_sql(work) -%}
    with places as (
        select
            i,
            block,
            slot
        from {{ work.features }}
        group by i, block, slot
    )

    select
        fits.fit_id,
        features.feature,
        places.i,
        places.block,
        places.slot,
        coalesce(features.prior, 0e0) as prior,
        coalesce(features.precision, 1e0) as precision,
        case
            when features.feature = 'intercept' and fits.observations > 0
                then ln((fits.churned + 0.5e0) / (fits.observations - fits.churned + 0.5e0))
            else coalesce(features.prior, 0e0)
        end as weight,
        0e0 as direction,
        cast(null as double) as standard_error
    from {{ work.fits }} as fits
    cross join places
    left join {{ work.features }} as features on fits.fit = features.fit and places.i = features.i  -- at most one
{%- endmacro %}

{# One row per observation of the fits that run, at the point they want to try: residual, weight and log-likelihood. #}
{% macro logistic_scored_sql(work) -%}
    with tried as (
        select
            points.fit_id,
            points.block
            {%- for slot in range(1, logistic_width() + 1) %},
            sum(case when points.slot = {{ slot }} then points.weight + fits.step * points.direction else 0e0 end)
                as w_{{ slot }}
            {%- endfor %}
        from {{ work.points }} as points
        inner join {{ work.fits }} as fits on points.fit_id = fits.fit_id  -- exactly one
        where fits.status = 'running'
        group by points.fit_id, points.block
    ),

    summed as (
        select
            blocks.observation_id,
            sum({{ dot('blocks.x', 'tried.w', logistic_width()) }}) as log_odds
        from {{ work.blocks }} as blocks
        inner join tried on blocks.fit_id = tried.fit_id and blocks.block = tried.block  -- exactly one of a fit that runs
        group by blocks.observation_id
    ),

    -- e to the minus of a positive number, as the other way round may be too large for a double
    shrunk as (
        select
            observations.fit_id,
            observations.observation_id,
            observations.y,
            coalesce(summed.log_odds, 0e0) as log_odds,
            exp(-abs(coalesce(summed.log_odds, 0e0))) as e
        from {{ work.observations }} as observations
        inner join {{ work.fits }} as fits on observations.fit_id = fits.fit_id  -- exactly one
        left join summed on observations.observation_id = summed.observation_id  -- at most one
        where fits.status = 'running'
    )

    select
        fit_id,
        observation_id,
        y - case when log_odds >= 0e0 then 1e0 else e end / (1e0 + e) as residual,
        e / ((1e0 + e) * (1e0 + e)) as curvature,
        y * log_odds - greatest(log_odds, 0e0) - ln(1e0 + e) as log_likelihood
    from shrunk
{%- endmacro %}

{# One row per fit that runs: what the point tried is worth, and whether that is enough. #}
{% macro logistic_judged_sql(work) -%}
    with likely as (
        select
            fit_id,
            sum(log_likelihood) as log_likelihood
        from {{ work.scored }}
        group by fit_id
    ),

    pulled as (
        select
            points.fit_id,
            sum(
                points.precision
                * (points.weight + fits.step * points.direction - points.prior)
                * (points.weight + fits.step * points.direction - points.prior)
            ) / 2e0 as penalty
        from {{ work.points }} as points
        inner join {{ work.fits }} as fits on points.fit_id = fits.fit_id  -- exactly one
        where fits.status = 'running'
        group by points.fit_id
    )

    select
        fits.fit_id,
        fits.step,
        likely.log_likelihood,
        likely.log_likelihood - pulled.penalty as tried,
        fits.objective is null
        or coalesce(likely.log_likelihood - pulled.penalty, -1e308)
        >= fits.objective - 1e-11 * abs(fits.objective) + 1e-4 * fits.step * fits.decrement as is_better
    from {{ work.fits }} as fits
    inner join likely on fits.fit_id = likely.fit_id  -- exactly one of a fit that runs
    inner join pulled on fits.fit_id = pulled.fit_id  -- exactly one
{%- endmacro %}

{# One row per fit that is better and pair of blocks: the curvature of the likelihood by the features of either. #}
{% macro logistic_curvature_sql(work) -%}
    {%- set slots = range(1, logistic_width() + 1) -%}
    with weighted as (
        select
            blocks.fit_id,
            blocks.observation_id,
            blocks.block
            {%- for slot in slots %},
            scored.curvature * blocks.x_{{ slot }} as x_{{ slot }}
            {%- endfor %}
        from {{ work.blocks }} as blocks
        inner join {{ work.scored }} as scored on blocks.observation_id = scored.observation_id  -- exactly one
        inner join {{ work.judged }} as judged on scored.fit_id = judged.fit_id  -- exactly one
        where judged.is_better
    )

    select
        weighted.fit_id,
        weighted.block as row_block,
        blocks.block as column_block
        {%- for row in slots %}
        {%- for column in slots %},
        sum(weighted.x_{{ row }} * blocks.x_{{ column }}) as h_{{ row }}{{ column }}
        {%- endfor %}
        {%- endfor %}
    from weighted
    inner join {{ work.blocks }} as blocks  -- one per block up to its own
        on weighted.observation_id = blocks.observation_id and blocks.block <= weighted.block
    group by weighted.fit_id, weighted.block, blocks.block
{%- endmacro %}

{# One row per fit that is better and feature: the gradient there, the priors' pull included. #}
{% macro logistic_gradient_sql(work) -%}
    {%- set slots = range(1, logistic_width() + 1) -%}
    with by_block as (
        select
            blocks.fit_id,
            blocks.block
            {%- for slot in slots %},
            sum(blocks.x_{{ slot }} * scored.residual) as s_{{ slot }}
            {%- endfor %}
        from {{ work.blocks }} as blocks
        inner join {{ work.scored }} as scored on blocks.observation_id = scored.observation_id  -- at most one
        group by blocks.fit_id, blocks.block
    )

    select
        points.fit_id,
        points.i,
        points.block,
        points.slot,
        points.precision,
        points.precision * (points.prior - points.weight - judged.step * points.direction)
        + case
            when by_block.fit_id is null then 0e0
            {%- for slot in slots %}
            when points.slot = {{ slot }} then by_block.s_{{ slot }}
            {%- endfor %}
        end as gradient
    from {{ work.points }} as points
    inner join {{ work.judged }} as judged on points.fit_id = judged.fit_id  -- exactly one
    left join by_block on points.fit_id = by_block.fit_id and points.block = by_block.block  -- at most one
    where judged.is_better
{%- endmacro %}

{#
  The system to be solved by the fits that are better: one row per feature and block of columns with the elements v of the
  curvature, the priors' precision in its diagonal. Block -1 is the right-hand side: the gradient, in v_1.
#}
{% macro logistic_system_sql(work) -%}
    {%- set slots = range(1, logistic_width() + 1) -%}
    with elements as (
        {%- for row in slots %}
        select
            fit_id,
            row_block,
            {{ row }} as slot,
            column_block as block
            {%- for column in slots %},
            h_{{ row }}{{ column }} as v_{{ column }}
            {%- endfor %}
        from {{ work.curvature }}
        union all
        select
            fit_id,
            column_block as row_block,
            {{ row }} as slot,
            row_block as block
            {%- for column in slots %},
            h_{{ column }}{{ row }} as v_{{ column }}
            {%- endfor %}
        from {{ work.curvature }}
        where row_block > column_block
        {%- if not loop.last %}
        union all
        {%- endif %}
        {%- endfor %}
    ),

    block_list as (
        select block
        from {{ work.features }}
        group by block
    )

    -- without an element: no observation of the fit has anything there
    select
        gradient.fit_id,
        gradient.i,
        block_list.block
        {%- for column in slots %},
        coalesce(elements.v_{{ column }}, 0e0)
        + case when gradient.block = block_list.block and gradient.slot = {{ column }} then gradient.precision else 0e0 end
            as v_{{ column }}
        {%- endfor %}
    from {{ work.gradient }} as gradient
    cross join block_list
    left join elements  -- at most one
        on
            gradient.fit_id = elements.fit_id
            and gradient.block = elements.row_block
            and gradient.slot = elements.slot
            and block_list.block = elements.block
    union all
    select
        fit_id,
        i,
        -1 as block,
        gradient as v_1
        {%- for column in slots if column > 1 %},
        0e0 as v_{{ column }}
        {%- endfor %}
    from {{ work.gradient }}
{%- endmacro %}

{# Some features are exchanged; after all of them the matrix is its inverse, the right-hand side the solution. #}
{% macro logistic_sweeps_sql(work, first, size) -%}
    {%- set last = [first + logistic_pivots(), size] | min - 1 -%}
    {%- set ns = namespace(system=work.system) -%}
    {%- for pivot in range(first, last) %}
    {{ 'with ' if loop.first }}swept_{{ pivot }} as {{ stored_cte() }} (
        {{ logistic_sweep_sql(ns.system, pivot) }}
    ){{ ',' if not loop.last }}
    {%- set ns.system = 'swept_' ~ pivot -%}
    {%- endfor %}
    {{ logistic_sweep_sql(ns.system, last) }}
{%- endmacro %}

{% macro logistic_sweep_sql(system, pivot) -%}
    {%- set width = logistic_width() -%}
    {%- set block = pivot // width -%}
    {%- set slot = pivot % width + 1 -%}
    select
        system.fit_id,
        system.i,
        system.block
        {%- for column in range(1, width + 1) %},
        case
            {%- if column == slot %}
            when system.block = {{ block }}
                then case when system.i = {{ pivot }} then 1e0 else -across.v_{{ slot }} end / corner.v_{{ slot }}
            {%- endif %}
            when system.i = {{ pivot }} then along.v_{{ column }} / corner.v_{{ slot }}
            else system.v_{{ column }} - across.v_{{ slot }} * along.v_{{ column }} / corner.v_{{ slot }}
        end as v_{{ column }}
        {%- endfor %}
    from {{ system }} as system
    inner join {{ system }} as along  -- exactly one
        on system.fit_id = along.fit_id and system.block = along.block and along.i = {{ pivot }}
    inner join {{ system }} as across  -- exactly one
        on system.fit_id = across.fit_id and system.i = across.i and across.block = {{ block }}
    inner join {{ system }} as corner  -- exactly one
        on system.fit_id = corner.fit_id and corner.i = {{ pivot }} and corner.block = {{ block }}
{%- endmacro %}

{#
  For Spark: a matrix is one array of rows per fit, its columns those of the blocks side by side, first the right-hand side's;
  the features are exchanged one by one in a fold over it.
#}
{% macro logistic_inverse_sql(work, size) -%}
    {%- set width = logistic_width() -%}
    {%- set blocks = (size + width - 1) // width -%}
    with matrix_rows as (
        select
            fit_id,
            i,
            flatten(transform(
                array_sort(collect_list(struct(
                    block,
                    array({% for column in range(1, width + 1) %}v_{{ column }}{{ ', ' if not loop.last }}{% endfor %}) as elements
                ))),
                place -> place.elements
            )) as elements
        from {{ work.system }}
        group by fit_id, i
    ),

    matrices as (
        select
            fit_id,
            transform(array_sort(collect_list(struct(i, elements))), place -> place.elements) as matrix
        from matrix_rows
        group by fit_id
    ),

    inverted as (
        select
            fit_id,
            aggregate(
                sequence(0, {{ size - 1 }}),
                matrix,
                (swept, k) -> transform(
                    swept,
                    (elements, i) -> transform(
                        elements,
                        (element, j) -> case
                            when j = k + {{ width }}
                                then case when i = k then 1e0 else -element end / swept[k][k + {{ width }}]
                            when i = k then element / swept[k][k + {{ width }}]
                            else element - elements[k + {{ width }}] * swept[k][j] / swept[k][k + {{ width }}]
                        end
                    )
                )
            ) as matrix
        from matrices
    ),

    inverted_rows as (
        select
            fit_id,
            posexplode(matrix) as (i, elements)
        from inverted
    )

    select
        inverted_rows.fit_id,
        inverted_rows.i,
        places.block
        {%- for column in range(width) %},
        inverted_rows.elements[{{ width }} * (places.block + 1) + {{ column }}] as v_{{ column + 1 }}
        {%- endfor %}
    from inverted_rows
    cross join (select explode(sequence(-1, {{ blocks - 1 }})) as block) as places
{%- endmacro %}

{# What was tried is the best so far where it is better, and the next direction starts there. #}
{% macro logistic_points_next_sql(work) -%}
    {%- set width = logistic_width() -%}
    with solved as (
        select
            fit_id,
            i,
            v_1 as direction
        from {{ work.system }}
        where block = -1
    ),

    diagonal as (
        select
            points.fit_id,
            points.i,
            case points.slot
                {%- for slot in range(1, width + 1) %}
                when {{ slot }} then system.v_{{ slot }}
                {%- endfor %}
            end as variance
        from {{ work.points }} as points
        inner join {{ work.system }} as system  -- at most one
            on points.fit_id = system.fit_id and points.i = system.i and points.block = system.block
    )

    select
        points.fit_id,
        points.feature,
        points.i,
        points.block,
        points.slot,
        points.prior,
        points.precision,
        case
            when solved.fit_id is null then points.weight else points.weight + judged.step * points.direction
        end as weight,
        coalesce(solved.direction, points.direction) as direction,
        coalesce(sqrt(diagonal.variance), points.standard_error) as standard_error
    from {{ work.points }} as points
    left join {{ work.judged }} as judged on points.fit_id = judged.fit_id  -- at most one
    left join solved on points.fit_id = solved.fit_id and points.i = solved.i  -- at most one
    left join diagonal on points.fit_id = diagonal.fit_id and points.i = diagonal.i  -- at most one
{%- endmacro %}

{# Where each fit stands after the round. #}
{% macro logistic_fits_next_sql(work) -%}
    with decrements as (
        select
            gradient.fit_id,
            sum(gradient.gradient * points.direction) as decrement
        from {{ work.gradient }} as gradient
        inner join {{ work.points_next }} as points  -- exactly one
            on gradient.fit_id = points.fit_id and gradient.i = points.i
        group by gradient.fit_id
    )

    select
        fits.fit_id,
        fits.fit,
        fits.observations,
        fits.churned,
        case
            when fits.status <> 'running' then fits.status
            when decrements.decrement < 1e-16 then 'converged'
            when not judged.is_better and fits.step < 1e-9 then 'not_converged'
            else 'running'
        end as status,
        fits.iterations + case when judged.is_better then 1 else 0 end as iterations,
        case when judged.is_better then 1e0 else fits.step / 2e0 end as step,
        case when judged.is_better then judged.tried else fits.objective end as objective,
        case when judged.is_better then judged.log_likelihood else fits.log_likelihood end as log_likelihood,
        coalesce(decrements.decrement, fits.decrement) as decrement
    from {{ work.fits }} as fits
    left join {{ work.judged }} as judged on fits.fit_id = judged.fit_id  -- at most one
    left join decrements on fits.fit_id = decrements.fit_id  -- at most one
{%- endmacro %}

{% macro logistic_result_sql(work) -%}
    select
        fits.fit,
        points.feature,
        points.prior,
        case
            when fits.status = 'priors_only' then points.prior
            when fits.status = 'converged' then points.weight
        end as weight,
        case
            when fits.status = 'priors_only' then 1e0 / sqrt(points.precision)
            when fits.status = 'converged' then points.standard_error
        end as standard_error,
        cast(fits.observations as bigint) as observations,
        cast(fits.churned as bigint) as churned,
        fits.log_likelihood,
        cast(fits.iterations as integer) as iterations,
        case when fits.status = 'running' then 'not_converged' else fits.status end as status
    from {{ work.points }} as points
    inner join {{ work.fits }} as fits on points.fit_id = fits.fit_id  -- exactly one
    where points.feature is not null
{%- endmacro %}
