"""Every target gets a verdict, and the worst of them is the exit code."""

import pytest

from benchmarks.judging import ExitCode, Judgement, Result, Target, Verdict, exit_code, judge


def result(*targets: Target, **values: list[float]) -> Result:
    return Result("a bench", "ours", values, targets=targets)


def other(name: str, ratio: list[float]) -> Result:
    return Result("a bench", name, {"ratio": ratio})


def only(*results: Result) -> Judgement:
    (judgement,) = judge(results)
    return judgement


@pytest.mark.parametrize(
    ("target", "values", "verdict"),
    [
        (Target("ratio", 1.2), [1.1, 1.2, 1.3], Verdict.HOLDS),
        (Target("ratio", 1.2), [1.1, 1.21, 1.3], Verdict.MISSED),
        (Target("ratio", 40, at_least=True), [39.0, 40.0, 41.0], Verdict.HOLDS),
        (Target("ratio", 40, at_least=True), [39.0, 39.9, 50.0], Verdict.MISSED),
        (Target("runs", 1_012, at_least=True), [1_012.0], Verdict.HOLDS),
        (Target("connections", 0), [0.0], Verdict.HOLDS),
        (Target("connections", 0), [0.5], Verdict.MISSED),
    ],
)
def test_a_target_holds_up_to_its_limit_in_its_direction(target: Target, values: list[float], verdict: Verdict):
    assert only(result(target, **{target.measure: values})).verdict == verdict


def test_the_median_of_times_and_the_largest_peak_are_judged():
    times, peaks = judge([result(Target("ratio", 1), Target("peak_rss_mb", 290), ratio=[0.9, 1, 1.3],
                                 peak_rss_mb=[280, 291, 285])])  # fmt: skip
    assert (times.value, times.verdict) == (1, Verdict.HOLDS)
    assert (peaks.value, peaks.verdict) == (291, Verdict.MISSED)


@pytest.mark.parametrize("values", [[1.0, 1.1, 1.51], [2.0, 3.1, 2.5]])
def test_rounds_that_are_too_far_apart_say_neither_yes_nor_no(values: list[float]):
    judgement = only(result(Target("ratio", 1.2), ratio=values))
    assert judgement.verdict == Verdict.NOT_JUDGED
    assert judgement.spread == pytest.approx(max(values) / min(values))
    assert " x apart" in judgement.why


@pytest.mark.parametrize(("measure", "needed"), [("ratio", 3), ("processor", 3), ("wall_ratio", 7)])
def test_a_clock_needs_more_rounds_than_processor_time(measure: str, needed: int):
    few, enough = judge([result(Target(measure, 1.2), **{measure: [1.0] * count}) for count in (needed - 1, needed)])
    assert (few.verdict, few.why) == (Verdict.NOT_JUDGED, f"{needed - 1} of {needed} rounds")
    assert enough.verdict == Verdict.HOLDS


def test_a_peer_is_compared_round_by_round():
    ours = result(Target("ratio", 1.0, beside=("peer",)), ratio=[1.0, 2.0, 3.0])
    peer = other("peer", [1.1, 1.9, 3.3])
    judgement = only(ours, peer)
    # 1.0/1.1, 2.0/1.9 and 3.0/3.3: the whole machine was slower each time.
    assert judgement.value == pytest.approx(10 / 11)
    assert judgement.spread == pytest.approx(2.0 / 1.9 * 1.1)
    assert judgement.verdict == Verdict.HOLDS


def test_the_slowest_of_several_is_the_one_to_compare_with():
    ours = result(Target("ratio", 1.3, beside=("quick", "slow")), ratio=[5.2, 5.2, 5.2])
    assert only(ours, other("quick", [1.0] * 3), other("slow", [4.0] * 3)).value == pytest.approx(1.3)


def test_what_was_not_measured_is_not_held():
    no_peer = result(Target("ratio", 1.0, beside=("peer",)), ratio=[1.0] * 3)
    failed = Result("a bench", "peer", error="not installed")
    nothing = Result("a bench", "ours", error="why", targets=(Target("ratio", 1),))
    elsewhere = Result("another bench", "peer", {"ratio": [1.0] * 3})
    for judgement in (only(no_peer), only(no_peer, failed), only(no_peer, elsewhere), only(nothing)):
        assert judgement.verdict == Verdict.NOT_MEASURED
        assert exit_code([judgement]) == ExitCode.NOT_JUDGED
    assert only(nothing).why == "why"


def test_a_smaller_table_judges_nothing():
    missed = result(Target("peak_rss_mb", 1), peak_rss_mb=[2.0])
    (judgement,) = judge([missed], instead="only with 1,000,000 rows")
    assert (judgement.verdict, judgement.why) == (Verdict.NOT_JUDGED, "only with 1,000,000 rows")


def test_the_worst_verdict_is_the_exit_code():
    every = {verdict: Judgement(result(), Target("ratio", 1), verdict) for verdict in Verdict}
    codes = {verdict: exit_code([every[Verdict.HOLDS], judgement]) for verdict, judgement in every.items()}
    assert codes == {
        Verdict.HOLDS: ExitCode.HELD,
        Verdict.MISSED: ExitCode.MISSED,
        Verdict.NOT_JUDGED: ExitCode.NOT_JUDGED,
        Verdict.NOT_MEASURED: ExitCode.NOT_JUDGED,
    }
    assert exit_code(every.values()) == ExitCode.MISSED
    assert exit_code([]) == ExitCode.HELD
    # argparse ends with 2.
    assert len({0, 1, 2, ExitCode.NOT_JUDGED, ExitCode.MISSED}) == 5
