"""Iterators that know their end, and that work ahead in a thread."""

from concurrent.futures import ThreadPoolExecutor


def flag_last(items):
    """Pair each item with whether it is the last."""
    items = iter(items)
    for item in items:
        for following in items:
            yield item, False
            item = following
        yield item, True


def ahead(items):
    """Compute the next item in a thread while this one is in use.

    An error of the iterator is raised where its item would have come. Reading,
    separating and writing overlap in this way; numpy, TensorFlow and
    libsndfile let other threads run while they work.

    Args:
        items: a generator; closed at the end, also when no more of it is asked for.

    Yields:
        its items.
    """
    end = object()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(next, items, end)
        try:
            while (item := future.result()) is not end:
                future = pool.submit(next, items, end)
                yield item
        finally:
            future.exception()  # wait for the thread, or the iterator could not be closed
            items.close()
