"""Readers follow miss traffic over time; a cold cache, lag, or a short burst moves nothing."""

import itertools

import pytest

from hcs_operator.api.observed import CacheCounters, CacheState, Reason, Recommendation
from hcs_operator.decide.autoscaling.readers import COLD_LIMIT, ReaderLaw, ReaderSamples, ReaderState, decide

pytestmark = pytest.mark.unit
LAW = ReaderLaw(
    minimum=1, maximum=5, reads_per_replica=100, out_sustain=40, in_sustain=80, in_interval=20, after_out=100
)
WARM = CacheState(keys=1000, uptime_seconds=10_000, used_bytes=1)


class Play:
    """Plays looks each ten seconds with a rate of misses; the counts decided on are carried out at once, or never."""

    def __init__(self, current: int = 1, law: ReaderLaw = LAW, *, obeyed: bool = True) -> None:
        self.now, self.current, self.law, self.obeyed = 0.0, current, law, obeyed
        self.hits = self.misses = 0
        self.state: ReaderState | None = None
        self.found: Recommendation | None = None

    def look(
        self, rate: float, *, times: int = 1, cache: CacheState | Reason | None = WARM, lagging: str | None = None
    ) -> Recommendation:
        for _ in range(times):
            self.now += 10
            self.misses += int(rate * 10)
            self.hits += 900
            counters = (CacheCounters("read-api-0", self.hits, self.misses, self.now),)
            self.found = decide(ReaderSamples(self.now, self.current, counters, cache, lagging), self.state, self.law)
            self.state = self.found.state
            self.current = self.found.desired if self.obeyed else self.current
        assert self.found is not None
        return self.found


def test_one_more_when_three_of_four_looks_need_more() -> None:
    play = Play()
    play.look(150, times=4)
    assert play.current == 1
    found = play.look(150, times=2)
    assert play.current == 2
    assert "150.0 misses/s" in found.reason.message


def test_a_short_burst_adds_none() -> None:
    play = Play()
    play.look(50, times=5)
    play.look(400, times=2)
    play.look(50, times=5)
    assert play.current == 1


def test_double_the_need_adds_two_at_once() -> None:
    play = Play()
    counts = []
    for _ in range(6):
        play.look(390)
        counts.append(play.current)
    assert counts[-1] == 3


def test_what_nobody_carries_out_stays_recommended() -> None:
    play = Play(obeyed=False)
    play.look(150, times=6)
    assert [play.look(150).desired for _ in range(12)] == [2] * 12


def test_a_reader_that_nobody_takes_stays_recommended_to_go() -> None:
    play = Play(current=3, obeyed=False)
    play.look(80, times=12)
    assert [play.look(80).desired for _ in range(12)] == [2] * 12


def test_the_maximum_limits_and_says_so() -> None:
    play = Play(current=5)
    found = play.look(5000, times=6)
    assert (found.desired, found.limited_by) == (5, "MaxReplicas")


def test_one_less_when_it_would_have_been_enough_all_along() -> None:
    play = Play(current=3)
    found = play.look(80, times=10)
    assert found.desired == 2 or play.current < 3


def test_scale_in_goes_one_at_a_time_with_a_pause_between() -> None:
    play, counts = Play(current=3), []
    for _ in range(30):
        counts.append(play.look(10).desired)
    changes = [index for index, (old, new) in enumerate(itertools.pairwise(counts)) if new != old]
    assert counts[-1] == 1
    assert all(later - earlier >= 2 for earlier, later in itertools.pairwise(changes))


def test_none_goes_soon_after_one_came() -> None:
    play = Play()
    while play.current == 1:
        play.look(150)
    added = play.now
    while play.current == 2 and play.now < 1000:
        play.look(10)
    assert play.now - added >= LAW.after_out


def test_lag_freezes_both_ways() -> None:
    play = Play()
    found = play.look(500, times=10, lagging="replication lags by 14 s")
    assert (found.desired, found.limited_by) == (1, "LagBrake")
    assert "replication lags by 14 s" in found.reason.message


def test_a_restarted_cache_adds_none_while_it_refills() -> None:
    play = Play()
    play.look(50, times=5)
    for keys in (10, 100, 300, 500, 700):
        found = play.look(900, cache=CacheState(keys, 5.0, 1))
        assert (found.desired, found.limited_by) == (1, "CacheCold")
    play.look(50, times=5, cache=CacheState(900, 60.0, 1))
    assert play.current == 1


SILENT = Reason("CacheUnseen", "it does not answer")


def test_a_cache_that_goes_and_comes_back_empty_adds_none_meanwhile() -> None:
    play = Play()
    play.look(50, times=5)
    found = play.look(900, times=6, cache=SILENT)
    assert (found.desired, found.limited_by) == (1, "CacheCold")
    assert play.look(900, cache=CacheState(10, 5.0, 1)).limited_by == "CacheCold"
    play.look(50, times=5, cache=CacheState(900, 60.0, 1))
    assert play.current == 1


def test_a_cache_that_stays_away_holds_nothing_for_longer_than_a_refill_may_take() -> None:
    play = Play()
    play.look(50, times=5)
    play.look(150, times=int(COLD_LIMIT / 10) + 8, cache=SILENT)
    assert play.current == 2


def test_a_flushed_cache_is_noticed_by_its_keys() -> None:
    play = Play()
    play.look(50, times=5)
    assert play.look(900, cache=CacheState(3, 10_100, 1)).limited_by == "CacheCold"


def test_a_warm_cache_whose_load_stays_gets_its_reader() -> None:
    play = Play()
    play.look(50, times=5)
    play.look(900, times=2, cache=CacheState(3, 10_100, 1))
    play.look(250, times=8, cache=CacheState(1000, 10_200, 1))
    assert play.current > 1


def test_a_restarted_read_api_is_no_measurement() -> None:
    play = Play()
    play.look(150, times=3)
    play.hits = play.misses = 0
    found = play.look(0)
    assert found.state.misses == 150


def test_without_counters_the_count_is_held() -> None:
    found = decide(ReaderSamples(10, 3, (), WARM), None, LAW)
    assert (found.desired, found.limited_by) == (3, "ReadsUnseen")


def test_figures_are_as_old_as_the_newest_counter() -> None:
    counters = (CacheCounters("read-api-0", 1, 1, 90.0), CacheCounters("read-api-1", 1, 1, 95.0))
    assert ReaderState(counters=counters).measured_at == 95
    assert ReaderState().measured_at is None
