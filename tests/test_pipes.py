"""Iterators that know their end, and that work ahead in a thread."""

import contextlib
import threading
import time

import pytest

from vocaltrack.pipes import ahead, flag_last


@pytest.mark.parametrize("count", (0, 1, 2, 5))
def test_only_the_last_is_flagged(count):
    expected = [(i, i == count - 1) for i in range(count)]
    assert list(flag_last(range(count))) == expected


def test_an_item_is_held_back_until_the_next_is_there():
    made = []
    pairs = flag_last(made.append(i) or i for i in range(4))
    assert next(pairs) == (0, False)
    assert made == [0, 1]


@pytest.mark.parametrize("count", (0, 1, 2, 50))
def test_ahead_keeps_items_and_order(count):
    assert list(ahead(i for i in range(count))) == list(range(count))


def test_ahead_keeps_none_and_false():
    items = [None, False, 0, [], None]
    assert list(ahead(item for item in items)) == items


def test_ahead_works_on_the_next_while_this_one_is_in_use():
    begun = [threading.Event() for _ in range(5)]

    def items():
        for i in range(5):
            begun[i].set()
            yield i

    for i in ahead(items()):
        assert all(event.wait(timeout=60) for event in begun[: i + 2])


def test_ahead_is_never_more_than_one_item_ahead():
    made = []
    items = ahead(made.append(i) or i for i in range(10))
    next(items)
    time.sleep(0.1)
    assert len(made) == 2
    items.close()


def test_an_error_comes_where_its_item_would_have_come():
    def broken():
        yield 1
        yield 2
        raise ValueError("no third")

    seen = []
    with pytest.raises(ValueError, match="no third"):
        seen.extend(0 for item in ahead(broken()) if seen.append(item))
    assert seen == [1, 2]


def test_closing_early_closes_the_iterator_and_ends_the_thread():
    closed = threading.Event()

    def endless():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    threads, source = threading.active_count(), endless()  # which is not closed for being lost
    with contextlib.closing(ahead(ahead(source))) as items:
        next(items)
    assert closed.is_set()
    assert threading.active_count() == threads


def test_closing_waits_for_the_item_in_the_making():
    begun, may_end, closed = threading.Event(), threading.Event(), threading.Event()

    def slow():
        try:
            yield 0
            begun.set()
            may_end.wait(timeout=60)
            yield 1
        finally:
            closed.set()

    items = ahead(slow())
    next(items)
    assert begun.wait(timeout=60)
    threading.Timer(0.1, may_end.set).start()
    items.close()
    assert closed.is_set()
