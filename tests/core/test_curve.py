from itertools import pairwise

from agent.core.curve import CURVE_POINTS, Point, thin


def course(times):
    return [Point(step, at, 1.0 / (step + 1)) for step, at in enumerate(times)]


def gaps(points):
    return [later.at - earlier.at for earlier, later in pairwise(points)]


def test_a_short_course_stays_as_it_is():
    points = course(range(CURVE_POINTS))
    assert thin(points) == tuple(points)
    assert thin([]) == ()


def test_a_long_course_keeps_its_ends_and_its_order():
    points = course(range(10_000))
    kept = thin(points)
    assert len(kept) == CURVE_POINTS
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert list(kept) == sorted(kept)


def test_points_added_one_by_one_stay_even():
    kept = ()
    for point in course(range(3_000)):
        kept = thin((*kept, point), 64)
    assert len(kept) == 64
    assert max(gaps(kept)) <= 4 * 3_000 / 64


def test_a_long_rest_does_not_cost_the_detail_around_it():
    points = course([*range(1_000), *range(1_000_000, 1_001_000)])
    before = sum(point.at < 1_000 for point in thin(points, 100))
    assert 33 <= before <= 67


def test_points_of_one_moment_are_thinned_too():
    points = course([5] * 100)
    kept = thin(points, 2)
    assert kept == (points[0], points[-1])
