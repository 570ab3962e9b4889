"""Power fails at every row of the table in docs/flow.md: the real process is killed (SIGKILL) at
named points, again and again, on both databases, while the sandbox also loses answers after it
took a letter. Nothing may be lost, nothing doubled.

Four gateways die side by side in each test: most of the time is waiting for leases. ``POWER_KILLS`` sets how often each
does; 5 make the twenty.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.rehearsal import POINTS

LANES, KILLS = 4, int(os.environ.get("POWER_KILLS", "2"))
CPR = "0101011234"
PATIENCE_SECONDS = 180


@pytest.fixture
def lanes(several_databases, tmp_path, start_lane):
    return [start_lane(tmp_path / f"lane{n}", url) for n, url in enumerate(several_databases(LANES))]


def die_at(lane, point):
    for number in range(KILLS):
        before = lane.deaths
        lane.rehearse.write_text(point)
        lane.mail(f"Brev {number} ved {point}", large=number % 2 == 0 or point == "accept.bytes")
        until = time.monotonic() + PATIENCE_SECONDS
        while lane.deaths == before and time.monotonic() < until:
            lane.keep_alive()
            time.sleep(0.02)
        assert lane.deaths == before + 1, f"did not die at {point}\n{lane.log()[-2000:]}"
        lane.until_settled()


# Those of files are passed only by files (test_drop_power), those of containers by merged ones (test_merged_files),
# those of post to us by that (test_inbound_power).
OF_MAIL = [point for point in POINTS if point.partition(".")[0] not in ("drop", "gather", "folder", "mass", "collect", "distribute", "forward")]


@pytest.mark.slow
@pytest.mark.parametrize("point", OF_MAIL)
def test_nothing_is_lost_and_nothing_doubled(point, lanes):
    with ThreadPoolExecutor(LANES) as at_once:
        list(at_once.map(lambda lane: die_at(lane, point), lanes))
    assert sum(lane.deaths for lane in lanes) == LANES * KILLS
    for lane in lanes:
        titles = Counter(message["title"] for message in lane.sandbox.inbox(CPR))
        assert titles == Counter(lane.acknowledged)
        assert set(titles.values()) == {1}
        assert lane.sandbox.violations() == []
