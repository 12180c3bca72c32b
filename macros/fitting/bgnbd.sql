{#
  BG/NBD (Fader, Hardie & Lee 2005): while alive, a customer buys at random with a rate of his own (gamma: r, alpha), and
  after each purchase stops for good with a probability of his own (beta: a, b).
  Statistics: x repeat purchases, t_x age at the last, t age (weeks), n customers alike.
#}
{% macro bgnbd_family() %}
    {{ return({
        'parameters': ['r', 'alpha', 'a', 'b'],
        'statistics': [
            'cast(statistics.n as double) as n',
            'cast(statistics.x as double) as x',
            'cast(statistics.t_x as double) as t_x',
            'cast(statistics.t as double) as t'
        ],
        'customers': 'sum(n)',
        'starts': {
            'r': '5e-1',
            'alpha': '5e-1 * sum(n * t) / nullif(sum(n * x), 0e0)',
            'a': '1e0',
            'b': '2e0'
        },
        'refusals': {'nobody_repeats': 'sum(n * x) = 0e0'},
        'information': false,
        'natural': [
            {'name': 'r', 'sql': 'exp(p_1)'}, {'name': 'alpha', 'sql': 'exp(p_2)'},
            {'name': 'a', 'sql': 'exp(p_3)'}, {'name': 'b', 'sql': 'exp(p_4)'}
        ]
    }) }}
{% endmacro %}

{% macro bgnbd_terms(statistics) -%}
    -- the gamma functions hang on the number of purchases alone, of which there are few
    counts as (
        select distinct
            statistics.fit_id,
            statistics.x
        from {{ statistics }} as statistics
    ),

    -- each gamma function is asked for once, in rows: six of them side by side take longer to plan than to compute
    arguments as (
        {%- for name, argument in {
            'r_x': 'running.e_1 + counts.x', 'r': 'running.e_1', 'a_b': 'running.e_3 + running.e_4',
            'a_b_x': 'running.e_3 + running.e_4 + counts.x', 'b_x': 'running.e_4 + counts.x', 'b': 'running.e_4'
        }.items() %}
        select
            counts.fit_id,
            counts.x,
            '{{ name }}' as argument,
            {{ argument }} as z
        from counts
        inner join running on counts.fit_id = running.fit_id
        {%- if not loop.last %}
        union all
        {%- endif %}
        {%- endfor %}
    ),

    gammas as (
        select
            fit_id,
            x,
            argument,
            {{ ln_gamma('z') }} as ln_gamma,
            {{ digamma('z') }} as digamma
        from arguments
    ),

    gammas_of_count as (
        select
            fit_id,
            x,
            sum(case when argument in ('r_x', 'a_b', 'b_x') then ln_gamma else -ln_gamma end) as ln_gammas,
            sum(case argument when 'r_x' then digamma when 'r' then -digamma else 0e0 end) as by_r,
            sum(case argument when 'a_b' then digamma when 'a_b_x' then -digamma else 0e0 end) as by_a,
            sum(case argument when 'b_x' then digamma when 'b' then -digamma else 0e0 end) as by_b
        from gammas
        group by fit_id, x
    ),

    by_count as (
        select
            running.fit_id,
            running.e_1 as r,
            running.e_2 as alpha,
            running.e_3 as a,
            running.e_4 as b,
            gammas_of_count.x,
            running.e_1 + gammas_of_count.x as r_x,
            gammas_of_count.ln_gammas + running.e_1 * ln(running.e_2) as ll_of_count,
            gammas_of_count.by_r + ln(running.e_2) as by_r,
            gammas_of_count.by_a,
            gammas_of_count.by_a + gammas_of_count.by_b as by_b,
            case when gammas_of_count.x > 0e0 then ln(running.e_3) - ln(running.e_4 + gammas_of_count.x - 1e0) end as ln_odds_gone
        from gammas_of_count
        inner join running on gammas_of_count.fit_id = running.fit_id
    ),

    joined as (
        select
            by_count.*,
            statistics.n,
            by_count.alpha + statistics.t as alpha_t,
            by_count.alpha + statistics.t_x as alpha_t_x,
            ln(by_count.alpha + statistics.t) as ln_alpha_t,
            ln(by_count.alpha + statistics.t_x) as ln_alpha_t_x
        from {{ statistics }} as statistics
        inner join by_count on statistics.fit_id = by_count.fit_id and statistics.x = by_count.x
    ),

    -- odds of having stopped after the last purchase; nobody stops before the first repeat purchase
    weighed as (
        select
            *,
            case when x > 0e0 then exp(least(ln_odds_gone + r_x * (ln_alpha_t - ln_alpha_t_x), 700e0)) else 0e0 end
                as odds_gone
        from joined
    ),

    split as (
        select
            *,
            odds_gone / (1e0 + odds_gone) as gone,
            1e0 / (1e0 + odds_gone) as alive
        from weighed
    ),

    terms as (
        select
            fit_id,
            n,
            ll_of_count - r_x * ln_alpha_t + ln(1e0 + odds_gone) as ll,
            r * (by_r - alive * ln_alpha_t - gone * ln_alpha_t_x) as s_1,
            r - r_x * alpha * (alive / alpha_t + gone / alpha_t_x) as s_2,
            a * by_a + gone as s_3,
            b * (by_b - case when x > 0e0 then gone / (b + x - 1e0) else 0e0 end) as s_4
        from split
    )
{%- endmacro %}
