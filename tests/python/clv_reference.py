"""Reference implementations of the customer value models in numpy and scipy: a second opinion on the fits in SQL.

BG/NBD (Fader, Hardie & Lee 2005) for purchases without contract, gamma-gamma (Fader & Hardie 2013) for their value, and
shifted beta geometric (Fader & Hardie 2007) for contracts. Everything is written from the papers' formulas, over
grouped data with counts, and fitted by quasi-Newton steps from several starts, polished by Newton steps on the analytic
scores until the parameters stand to eight or more digits. Times are in weeks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize
from scipy.special import betaln, digamma, gammaln, hyp2f1, roots_genlaguerre, roots_jacobi

Floats = NDArray[np.float64]

WEEKS_PER_MONTH = 4.345


def weeks(days: ArrayLike) -> Floats:
    """Days as weeks rounded to two decimals, half away from zero, as the published CDNOW data have them."""
    whole = np.asarray(days, dtype=np.int64)
    return np.asarray((2 * whole * 100 + 7) // 14 / 100, dtype=np.float64)


def cents(amounts: ArrayLike) -> Floats:
    """Amounts rounded to two decimals, half away from zero, as the published CDNOW data have their mean values: the
    published gamma-gamma parameters follow from rounded means only (from exact ones p is 6.249572, not 6.248803)."""
    # a mean of cents that lies on a tie may be stored just below it
    return np.asarray(np.floor(np.asarray(amounts, dtype=np.float64) * 100 + 0.5 + 1e-7) / 100)


@dataclass(frozen=True)
class Fit:
    """A maximum likelihood fit; `gradient` is the largest score on log parameters, per observation."""

    parameters: tuple[float, ...]
    log_likelihood: float
    gradient: float
    covariance: Floats  # of the log parameters, from the observed information; nan where it is singular
    converged: bool


# --- fitting ---------------------------------------------------------------------------------------------------------


def _maximise(
    value_and_score: Callable[[Floats], tuple[float, Floats]],
    starts: Sequence[Sequence[float]],
    observations: float,
    back: Callable[[Floats], tuple[float, ...]],
    bounds: tuple[float, float] = (-12.0, 14.0),
) -> Fit:
    """The highest of the maxima reached from the starts (log parameters), polished by Newton steps.

    Nearly flat ridges (a segment with hardly any dropout) end on a bound: such a fit is reported as not converged."""

    def negative(theta: Floats) -> tuple[float, Floats]:
        value, score = value_and_score(theta)
        if not np.isfinite(value):
            return 1e300, np.zeros_like(theta)
        return -value / observations, -score / observations

    best: Any = None
    for start in starts:
        found = optimize.minimize(
            negative, np.asarray(start, dtype=float), jac=True, method="L-BFGS-B", bounds=[bounds] * len(start),
            options={"maxiter": 2000, "maxcor": 20, "ftol": 1e-15, "gtol": 1e-10},
        )  # fmt: skip
        if best is None or found.fun < best.fun:
            best = found
    theta = np.asarray(best.x, dtype=float)
    inside = bool(np.all((theta > bounds[0] + 1e-6) & (theta < bounds[1] - 1e-6)))
    if inside:
        for _ in range(50):
            value, score = value_and_score(theta)
            information = -_jacobian(lambda at: value_and_score(at)[1], theta)
            try:
                step = np.linalg.solve(information, score)
            except np.linalg.LinAlgError:
                break
            if not np.all(np.isfinite(step)) or np.any(np.linalg.eigvalsh(information) <= 0):
                break
            factor = min(1.0, 1.0 / max(float(np.max(np.abs(step))), 1e-300))
            while factor > 1e-6 and not value_and_score(theta + factor * step)[0] >= value - 1e-9 * abs(value):
                factor /= 2
            theta = theta + factor * step
            if np.max(np.abs(step)) < 1e-12:
                break
    value, score = value_and_score(theta)
    information = -_jacobian(lambda at: value_and_score(at)[1], theta)
    positive = bool(np.all(np.isfinite(information)) and np.all(np.linalg.eigvalsh(information) > 0))
    covariance = (
        np.asarray(np.linalg.inv(information), dtype=np.float64) if positive else np.full_like(information, np.nan)
    )
    gradient = float(np.max(np.abs(score)) / observations)
    return Fit(back(theta), value, gradient, covariance, inside and positive and gradient < 1e-8)


def _jacobian(score: Callable[[Floats], Floats], theta: Floats, step: float = 1e-4) -> Floats:
    """The symmetric matrix of derivatives of a score, by four-point differences."""
    columns = []
    for i in range(len(theta)):
        unit = np.zeros_like(theta)
        unit[i] = step
        columns.append(
            (8 * (score(theta + unit) - score(theta - unit)) - (score(theta + 2 * unit) - score(theta - 2 * unit)))
            / (12 * step)
        )
    matrix = np.stack(columns)
    return np.asarray((matrix + matrix.T) / 2)


# --- BG/NBD ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BgNbd:
    """Parameters of the BG/NBD model: purchase rate Gamma(r, alpha) a week, dropout Beta(a, b) after each repeat."""

    r: float
    alpha: float
    a: float
    b: float


@dataclass(frozen=True)
class Histories:
    """Purchase histories: repeat purchases, age at the last and age now in weeks, and how many customers share them."""

    x: Floats
    t_x: Floats
    age: Floats
    count: Floats

    @classmethod
    def of(cls, x: ArrayLike, t_x: ArrayLike, age: ArrayLike) -> Histories:
        """Customers grouped by equal histories."""
        table = np.column_stack([np.asarray(column, dtype=float) for column in (x, t_x, age)])
        rows, count = np.unique(table, axis=0, return_counts=True)
        return cls(rows[:, 0], rows[:, 1], rows[:, 2], count.astype(float))


def bgnbd_log_likelihood(parameters: BgNbd, data: Histories) -> float:
    """The log-likelihood of the histories."""
    return bgnbd_value_and_score(np.log([parameters.r, parameters.alpha, parameters.a, parameters.b]), data)[0]


def bgnbd_value_and_score(theta: Floats, data: Histories) -> tuple[float, Floats]:
    """Log-likelihood and its score on the log parameters."""
    r, alpha, a, b = np.exp(theta)
    x, t_x, age, n = data.x, data.t_x, data.age, data.count
    repeats = x > 0
    rx = r + x
    safe = np.where(repeats, b + x - 1, 1.0)
    with np.errstate(divide="ignore"):
        alive = -rx * np.log(alpha + age)
        dead = np.where(repeats, np.log(a) - np.log(safe) - rx * np.log(alpha + t_x), -np.inf)
    mixed = np.logaddexp(alive, dead)
    terms = (
        gammaln(rx) - gammaln(r) + r * np.log(alpha)
        + gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
        + mixed
    )  # fmt: skip
    p_alive, p_dead = np.exp(alive - mixed), np.exp(dead - mixed)
    d_r = (
        digamma(rx) - digamma(r) + np.log(alpha)
        - p_alive * np.log(alpha + age) - p_dead * np.log(alpha + t_x)
    )  # fmt: skip
    d_alpha = r / alpha - rx * (p_alive / (alpha + age) + p_dead / (alpha + t_x))
    both = digamma(a + b) - digamma(a + b + x)
    d_a = both + p_dead / a
    d_b = both + digamma(b + x) - digamma(b) - p_dead / safe
    score = np.array([np.dot(n, part) for part in (d_r * r, d_alpha * alpha, d_a * a, d_b * b)])
    return float(np.dot(n, terms)), score


def fit_bgnbd(data: Histories, starts: Sequence[Sequence[float]] | None = None) -> Fit:
    """Maximum likelihood; parameters (r, alpha, a, b)."""
    scale = float(np.dot(data.count, data.age) / data.count.sum()) or 1.0
    chosen = starts or [
        [r, alpha * scale, a, b]
        for r, alpha, a, b in ((1, 1, 1, 1), (0.3, 0.15, 0.8, 2.5), (2, 1, 0.3, 3), (0.1, 0.1, 2, 2), (5, 5, 0.05, 0.2))
    ]
    return _maximise(
        lambda theta: bgnbd_value_and_score(theta, data),
        [list(np.log(start)) for start in chosen],
        float(data.count.sum()),
        lambda theta: tuple(float(value) for value in np.exp(theta)),
    )


def p_alive(parameters: BgNbd, x: ArrayLike, t_x: ArrayLike, age: ArrayLike) -> Floats:
    """The probability that a customer has not dropped out; 1 for one who never came back."""
    x, t_x, age = (np.asarray(column, dtype=float) for column in (x, t_x, age))
    r, alpha, a, b = parameters.r, parameters.alpha, parameters.a, parameters.b
    safe = np.where(x > 0, b + x - 1, 1.0)
    odds = np.where(x > 0, a / safe * ((alpha + age) / (alpha + t_x)) ** (r + x), 0.0)
    return np.asarray(1 / (1 + odds))


def expected_purchases(parameters: BgNbd, t: float, x: ArrayLike, t_x: ArrayLike, age: ArrayLike) -> Floats:
    """E[Y(t) | x, t_x, T]: purchases expected in the next t weeks.

    The published formula divides by a - 1 and has its hypergeometric function on a + b + x - 1: near a = 1, or where
    that sum is near a whole number below one, it loses digits, and the quadrature takes its place."""
    x, t_x, age = np.broadcast_arrays(*(np.asarray(column, dtype=float) for column in (x, t_x, age)))
    r, alpha, a, b = parameters.r, parameters.alpha, parameters.a, parameters.b
    z = t / (alpha + age + t)
    c = a + b + x - 1
    risky = (np.abs(a - 1) < 0.01) | ((c < 0.5) & (np.abs(c - np.round(c)) < 0.01))
    result = np.empty(x.shape)
    if not np.all(risky):
        with np.errstate(divide="ignore", invalid="ignore"):
            # Euler's transform: the product with (1 - z)^(r + x) is tame, the function itself is not
            closed = c / (a - 1) * (1 - (1 - z) ** (a - 1) * hyp2f1(c - r - x, a - 1, c, z))
        risky |= ~np.isfinite(closed)
        result[~risky] = closed[~risky]
    if np.any(risky):
        result[risky] = _if_alive(parameters, t, x[risky], age[risky])
    return result * p_alive(parameters, x, t_x, age)


def expected_purchases_quadrature(
    parameters: BgNbd, t: float, x: ArrayLike, t_x: ArrayLike, age: ArrayLike, nodes: int = 200
) -> Floats:
    """The same expectation without hypergeometric functions: an integral over the posterior of the dropout rate."""
    x, t_x, age = np.broadcast_arrays(*(np.asarray(column, dtype=float) for column in (x, t_x, age)))
    return _if_alive(parameters, t, x, age, nodes) * p_alive(parameters, x, t_x, age)


def _if_alive(parameters: BgNbd, t: float, x: Floats, age: Floats, nodes: int = 200) -> Floats:
    """Purchases expected in t weeks of one who is alive: the mean over p ~ Beta(a, b + x) of
    (1 - (1 + p t / (alpha + T))^-(r + x)) / p, by Gauss-Jacobi quadrature."""
    r, alpha, a, b = parameters.r, parameters.alpha, parameters.a, parameters.b
    result = np.empty(x.shape)
    for repeats in np.unique(x):
        p, weights = _beta_nodes(nodes, a, b + repeats)
        chosen = x == repeats
        tau = np.multiply.outer(t / (alpha + age[chosen]), p)
        inner = -np.expm1(-(r + repeats) * np.log1p(tau)) / p
        result[chosen] = inner @ weights
    return result


@lru_cache(maxsize=1000)
def _beta_nodes(nodes: int, a: float, b: float) -> tuple[Floats, Floats]:
    """Points and weights that give means over Beta(a, b)."""
    points, weights = roots_jacobi(nodes, b - 1, a - 1)
    return (1 + points) / 2, weights / weights.sum()


def posterior_expectation(parameters: BgNbd, t: float, x: int, t_x: float, age: float, nodes: int = 150) -> float:
    """The same expectation for one customer straight from the model's story: likelihood times prior, integrated over
    purchase rate and dropout rate. Slow, with no formula of the papers in it."""
    r, alpha, a, b = parameters.r, parameters.alpha, parameters.a, parameters.b
    p, p_weights = (column[:, None] for column in _beta_nodes(nodes, a, b))
    rate_points, rate_weights = roots_genlaguerre(nodes, r - 1)
    rate_weights = rate_weights / rate_weights.sum()

    def mean(lived: float, factor: Callable[[Floats, Floats], Floats]) -> float:
        # the mean over the prior of exp(-rate * lived) times a factor: the exponential goes into the quadrature
        rate = (rate_points / (alpha + lived))[None, :]
        scale = (alpha / (alpha + lived)) ** r
        return float(scale * np.sum(p_weights * rate_weights * factor(rate, p)))

    def alive(rate: Floats, p: Floats) -> Floats:
        return rate**x * (1 - p) ** x

    def dead(rate: Floats, p: Floats) -> Floats:
        return rate**x * p * (1 - p) ** (x - 1)

    def purchases(rate: Floats, p: Floats) -> Floats:
        return alive(rate, p) * -np.expm1(-rate * p * t) / p

    return mean(age, purchases) / (mean(age, alive) + (mean(t_x, dead) if x else 0.0))


def discounted_purchases(
    parameters: BgNbd, x: ArrayLike, t_x: ArrayLike, age: ArrayLike, months: int, yearly_rate: float
) -> Floats:
    """The purchases expected in each of the next months, discounted to now from each month's end, in sum."""
    return np.asarray(
        sum(
            (after - before) / (1 + yearly_rate) ** (k / 12)
            for k, before, after in _by_month(parameters, x, t_x, age, months)
        )
    )


def _by_month(
    parameters: BgNbd, x: ArrayLike, t_x: ArrayLike, age: ArrayLike, months: int
) -> list[tuple[int, Floats, Floats]]:
    values = [np.zeros(np.broadcast(x, t_x, age).shape)]
    values += [expected_purchases(parameters, WEEKS_PER_MONTH * k, x, t_x, age) for k in range(1, months + 1)]
    return [(k, values[k - 1], values[k]) for k in range(1, months + 1)]


# --- gamma-gamma -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GammaGamma:
    """Parameters of the gamma-gamma model: a purchase is Gamma(p, nu), nu of the customer Gamma(q, v)."""

    p: float
    q: float
    v: float

    @property
    def population_mean(self) -> float | None:
        """The expected purchase of a customer nothing is known of; it does not exist for q <= 1."""
        return self.p * self.v / (self.q - 1) if self.q > 1 else None


@dataclass(frozen=True)
class Spending:
    """Purchases counted (repeat ones) and their mean value, and how many customers share them."""

    x: Floats
    mean: Floats
    count: Floats

    @classmethod
    def of(cls, x: ArrayLike, mean: ArrayLike) -> Spending:
        """The customers the model is fitted on: those with repeat purchases of some value."""
        x, mean = np.asarray(x, dtype=float), np.asarray(mean, dtype=float)
        chosen = (x > 0) & (mean > 0)
        return cls(x[chosen], mean[chosen], np.ones(int(chosen.sum())))


def gamma_gamma_log_likelihood(parameters: GammaGamma, data: Spending) -> float:
    """The log-likelihood of the mean values, given the numbers of purchases."""
    theta = np.log([parameters.p, parameters.q, parameters.p * parameters.v])
    return gamma_gamma_value_and_score(theta, data)[0]


def gamma_gamma_value_and_score(theta: Floats, data: Spending) -> tuple[float, Floats]:
    """Log-likelihood and score on (ln p, ln q, ln p v)."""
    p, q = np.exp(theta[:2])
    v = np.exp(theta[2] - theta[0])
    x, m, n = data.x, data.mean, data.count
    px, total = p * x, v + m * x
    terms = (
        gammaln(px + q) - gammaln(px) - gammaln(q) + q * np.log(v)
        + (px - 1) * np.log(m) + px * np.log(x) - (px + q) * np.log(total)
    )  # fmt: skip
    d_p = x * (digamma(px + q) - digamma(px) + np.log(m) + np.log(x) - np.log(total))
    d_q = digamma(px + q) - digamma(q) + np.log(v) - np.log(total)
    d_v = q / v - (px + q) / total
    score = np.array([np.dot(n, part) for part in (d_p * p - d_v * v, d_q * q, d_v * v)])
    return float(np.dot(n, terms)), score


def fit_gamma_gamma(data: Spending) -> Fit:
    """Maximum likelihood; parameters (p, q, v)."""
    average = float(np.dot(data.count, data.mean) / data.count.sum())
    starts = [np.log([p, q, average * max(q - 1, 0.5)]) for p, q in ((6, 4), (1, 2), (2, 10), (0.5, 1.2), (20, 3))]
    return _maximise(
        lambda theta: gamma_gamma_value_and_score(theta, data),
        [list(start) for start in starts],
        float(data.count.sum()),
        lambda theta: (float(np.exp(theta[0])), float(np.exp(theta[1])), float(np.exp(theta[2] - theta[0]))),
    )


def expected_spend(parameters: GammaGamma, x: ArrayLike, mean: ArrayLike) -> Floats:
    """The expected value of a customer's next purchase; the population's mean for one without a repeat purchase."""
    x, mean = np.asarray(x, dtype=float), np.asarray(mean, dtype=float)
    p, q, v = parameters.p, parameters.q, parameters.v
    known = np.where(x > 0, mean, 0.0)
    return np.asarray(p * (v + x * known) / (p * x + q - 1))


# --- shifted beta geometric ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sbg:
    """Parameters of the shifted beta geometric model: the chance to leave at a renewal is Beta(alpha, beta)."""

    alpha: float
    beta: float


@dataclass(frozen=True)
class Renewals:
    """Right-censored contracts: `left[i]` left in period i + 1, `alive[n]` are still there after n complete periods."""

    left: Floats
    alive: Floats

    @classmethod
    def of(cls, left_in: ArrayLike, alive_after: ArrayLike) -> Renewals:
        """From one number per customer: the period each one left in (from 1), or how many the others completed."""
        left, alive = (np.asarray(column, dtype=np.int64) for column in (left_in, alive_after))
        return cls(np.bincount(left, minlength=1)[1:].astype(float), np.bincount(alive, minlength=1).astype(float))


def sbg_survival(parameters: Sbg, n: ArrayLike) -> Floats:
    """The share still there after n renewals."""
    n = np.asarray(n, dtype=float)
    return np.asarray(np.exp(betaln(parameters.alpha, parameters.beta + n) - betaln(parameters.alpha, parameters.beta)))


def sbg_next_term(parameters: Sbg, n: ArrayLike) -> Floats:
    """The probability that one who completed n periods stays beyond the running one."""
    n = np.asarray(n, dtype=float)
    return np.asarray((parameters.beta + n) / (parameters.alpha + parameters.beta + n))


def sbg_log_likelihood(parameters: Sbg, data: Renewals) -> float:
    """The log-likelihood of who left when and who is still there."""
    return sbg_value_and_score(np.log([parameters.alpha, parameters.beta]), data)[0]


def sbg_value_and_score(theta: Floats, data: Renewals) -> tuple[float, Floats]:
    """Log-likelihood and its score on the log parameters."""
    alpha, beta = np.exp(theta)
    i = np.arange(1, len(data.left) + 1)
    n = np.arange(len(data.alive))
    value = float(
        data.left @ (betaln(alpha + 1, beta + i - 1) - betaln(alpha, beta))
        + data.alive @ (betaln(alpha, beta + n) - betaln(alpha, beta))
    )
    base = digamma(alpha + beta)
    d_alpha = data.left @ (digamma(alpha + 1) - digamma(alpha + beta + i) - digamma(alpha) + base)
    d_alpha += data.alive @ (base - digamma(alpha + beta + n))
    d_beta = data.left @ (digamma(beta + i - 1) - digamma(alpha + beta + i) - digamma(beta) + base)
    d_beta += data.alive @ (digamma(beta + n) - digamma(alpha + beta + n) - digamma(beta) + base)
    return value, np.array([d_alpha * alpha, d_beta * beta])


def fit_sbg(data: Renewals) -> Fit:
    """Maximum likelihood; parameters (alpha, beta)."""
    starts = [np.log([alpha, beta]) for alpha, beta in ((1, 1), (0.7, 3), (3, 30), (0.2, 0.5), (10, 10))]
    return _maximise(
        lambda theta: sbg_value_and_score(theta, data),
        [list(start) for start in starts],
        float(data.left.sum() + data.alive.sum()),
        lambda theta: (float(np.exp(theta[0])), float(np.exp(theta[1]))),
    )


def del_(parameters: Sbg, discount: float) -> float:
    """Discounted expected lifetime of a new customer in periods, the first paid now."""
    return float(hyp2f1(1, parameters.beta, parameters.alpha + parameters.beta, 1 / (1 + discount)))


def derl(parameters: Sbg, tenure: int, discount: float) -> float:
    """Discounted expected residual lifetime in periods of one who is in period `tenure`, just before its renewal."""
    alpha, beta = parameters.alpha, parameters.beta
    stay = (beta + tenure - 1) / (alpha + beta + tenure - 1)
    return float(stay * hyp2f1(1, beta + tenure, alpha + beta + tenure, 1 / (1 + discount)))


def contract_months(
    parameters: Sbg,
    completed: int,
    period_months: int,
    months_to_renewal: int,
    horizon: int,
    yearly_rate: float,
    known_months: int | None = None,
) -> float:
    """The discounted number of months a contract customer is expected to pay in the next `horizon` months.

    Month k counts at its end. Until the next renewal (`months_to_renewal` whole months away) nobody leaves; from then
    on a share survives each renewal. `known_months`: a known end, on or after which no month counts that begins."""
    total = 0.0
    for k in range(1, horizon + 1):
        if known_months is not None and k - 1 >= known_months:
            break
        past = k - 1 - months_to_renewal
        renewals = 0 if past < 0 else 1 + past // period_months
        survived = float(sbg_survival(parameters, completed + renewals) / sbg_survival(parameters, completed))
        total += survived * (1 + yearly_rate) ** (-k / 12)
    return total
