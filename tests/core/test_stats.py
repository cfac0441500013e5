import pytest
from hypothesis import given
from hypothesis import strategies as st

from combatvla.report import percentile
from combatvla.stats import mean, wilson_interval


@pytest.mark.parametrize(
    ("wins", "n", "low", "high"),
    # Computed by hand from Wilson's formula with z = 1.959964.
    [
        (60, 100, 0.5020, 0.6906),
        (0, 100, 0.0, 0.0370),
        (100, 100, 0.9630, 1.0),
        (1, 2, 0.0945, 0.9055),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilson_interval_known_values(wins, n, low, high):
    assert wilson_interval(wins, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_holds_the_rate_and_is_symmetric(wins_of):
    wins, n = wins_of
    low, high = wilson_interval(wins, n)
    assert 0 <= low <= wins / n <= high <= 1
    assert wilson_interval(n - wins, n) == pytest.approx((1 - high, 1 - low))


def test_wilson_interval_covers_at_its_rate():
    """Over all outcomes of Binomial(50, 0.3) the interval holds 0.3 with a probability near 95 %."""
    from math import comb

    covered = sum(
        comb(50, k) * 0.3**k * 0.7 ** (50 - k)
        for k in range(51)
        if wilson_interval(k, 50)[0] <= 0.3 <= wilson_interval(k, 50)[1]
    )
    assert 0.93 < covered < 0.97


@pytest.mark.parametrize(("wins", "n"), [(3, 2), (-1, 2)])
def test_wilson_interval_refuses_nonsense(wins, n):
    with pytest.raises(ValueError, match="successes"):
        wilson_interval(wins, n)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.floats(0, 100))
def test_percentile_agrees_with_numpy(values, q):
    import numpy as np

    assert percentile(values, q) == pytest.approx(float(np.percentile(values, q)), rel=1e-9, abs=1e-6)


def test_nothing_has_no_percentile_and_no_mean():
    assert percentile([], 50) is None and mean([]) is None
    with pytest.raises(ValueError, match="0 to 100"):
        percentile([1.0], 101)
