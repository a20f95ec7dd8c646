"""Memory as a budget: threads take turns, and limits of control groups are heeded."""

from __future__ import annotations

import os
import platform
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelsnap.memory import BeyondBudgetError, Budget, Turns, give_back, shared_budget, usable_memory

SIZE = 100
LONG = 60
"""Seconds after which a test gives up on threads that should have gone on at once."""


@settings(max_examples=50)
@given(st.lists(st.integers(0, SIZE), max_size=40), st.integers(2, 8))
def test_never_more_than_the_budget_is_held_and_all_get_their_turn(sizes, threads):
    """Whatever is claimed, side by side."""
    budget, held, lock, over = Budget(SIZE), [0], threading.Lock(), []

    def work(size):
        with budget.claim(size):
            with lock:
                held[0] += size
                over.append(held[0] > SIZE)
            with lock:
                held[0] -= size
        return size

    with ThreadPoolExecutor(threads) as pool:
        assert list(pool.map(work, sizes, timeout=LONG)) == sizes
    assert not any(over)
    assert budget.taken == 0


def test_a_large_claim_is_not_passed_by_small_ones():
    """It has its turn before what was claimed after it, though that would fit at once."""
    budget, order, started = Budget(SIZE), [], threading.Event()

    def work(name, size):
        started.set()
        with budget.claim(size):
            order.append(name)

    threads = []
    with budget.claim(10):
        for name, size in (("large", SIZE), ("small", 1), ("other", 1)):
            started.clear()
            threads.append(threading.Thread(target=work, args=(name, size)))
            threads[-1].start()
            assert started.wait(LONG)
            while len(budget._waiting) < len(threads):
                pass
        assert order == []
    for thread in threads:
        thread.join(LONG)
    assert order[0] == "large"
    assert sorted(order[1:]) == ["other", "small"]


def test_what_is_larger_than_the_whole_budget_is_refused_at_once():
    """It says how much was needed and how much there is, and who holds the rest does not matter."""
    budget = Budget(3 << 20)
    with pytest.raises(BeyondBudgetError, match=r"7 MiB.* 3 MiB.*LABELSNAP_MEMORY_BYTES"), budget.claim(7 << 20):
        pass
    assert budget.taken == 0


def test_a_thread_holds_one_claim_at_a_time():
    """Two that each hold a part could wait for each other for ever."""
    budget = Budget(SIZE)
    with budget.claim(1), pytest.raises(RuntimeError, match="a second"), budget.claim(1):
        pass
    assert budget.taken == 0


def test_a_claim_ends_with_an_error():
    """What was held is free again, and the next claim of the thread is met."""
    budget = Budget(SIZE)
    with pytest.raises(KeyError), budget.claim(SIZE):
        raise KeyError
    with budget.claim(SIZE):
        assert budget.taken == SIZE


def test_a_process_has_one_budget():
    """Whoever asks for it by its size gets the same."""
    assert shared_budget(1 << 30) is shared_budget(1 << 30)


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/job/one\n", {"memory.max": "max", "job/memory.max": "3000000"}, 3_000_000),
        ("0::/job/one\n", {"job/one/memory.max": "2000000\n", "job/memory.max": "3000000"}, 2_000_000),
        ("0::/elsewhere\n", {"memory.max": "4000000"}, 4_000_000),
        ("4:cpu,memory:/job\n1:cpu:/\n", {"memory/job/memory.limit_in_bytes": "5000000"}, 5_000_000),
        ("4:memory:/job\n", {"memory/memory.limit_in_bytes": "6000000"}, 6_000_000),
    ],
)
def test_limits_of_control_groups_are_heeded(tmp_path, groups, files, expected):
    """The group's own, and those of the groups above it; where a container sees its own group as the top, that one."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(groups, encoding="ascii")
    for name, content in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="ascii")
    assert usable_memory(tmp_path) == expected


@pytest.mark.parametrize("limit", ["max", "-1", "", "9" * 5000, "9223372036854771712"])
def test_without_a_limit_the_machines_memory_counts(tmp_path, limit):
    """Nor does a number count that is none."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n", encoding="ascii")
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/memory.max").write_text(limit, encoding="ascii")
    assert usable_memory(tmp_path) == usable_memory(tmp_path / "nothing")


def test_a_child_begins_with_the_whole_budget():
    """What other threads hold when a process is forked, they hold in the parent alone."""
    budget, holding, done = Budget(SIZE), threading.Event(), threading.Event()

    def hold():
        with budget.claim(SIZE - 10):
            holding.set()
            done.wait(LONG)

    holder = threading.Thread(target=hold)
    holder.start()
    assert holding.wait(LONG)
    with budget.claim(10):
        child = os.fork()
        if not child:
            os._exit(budget.taken)
        _, status = os.waitpid(child, 0)
    done.set()
    holder.join(LONG)
    assert os.waitstatus_to_exitcode(status) == 10
    assert budget.taken == 0


def test_so_many_threads_have_a_turn_and_no_more():
    """All of them get one in the end."""
    turns, working, most = Turns(3), set(), []

    def work(number):
        with turns.one():
            working.add(number)
            most.append(len(working))
            working.remove(number)
        return number

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(work, range(200), timeout=LONG)) == list(range(200))
    assert max(most) <= 3


def test_a_forked_child_begins_with_all_turns_free():
    """One that another thread has is had in the parent alone."""
    turns, holding, done = Turns(1), threading.Event(), threading.Event()

    def hold():
        with turns.one():
            holding.set()
            done.wait(LONG)

    holder = threading.Thread(target=hold)
    holder.start()
    assert holding.wait(LONG)
    child = os.fork()
    if not child:
        with turns.one():
            os._exit(7)
    _, status = os.waitpid(child, 0)
    done.set()
    holder.join(LONG)
    assert os.waitstatus_to_exitcode(status) == 7


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep what is freed as they please")
def test_what_was_freed_between_what_is_held_goes_back_to_the_system():
    """Every second of some thousand arrays is let go, and their pages are the system's again."""
    arrays = [np.ones(64 << 10, np.uint8) for _ in range(1000)]
    del arrays[::2]
    before = resident()
    give_back()
    assert before - resident() > (16 << 20)
    assert all(array.all() for array in arrays)


def resident():
    """The bytes of this process's memory that are in the machine's."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
