"""Dates as people write them have one format in a whole column."""

import numpy as np
import pytest

from ffnn_fast._columns.dates import date_format, dates_of, has_open_order


@pytest.mark.parametrize(
    ("texts", "name", "last"),
    [
        (["2020-01-03", "2021-05-06T10:30:00+02:00"], "ISO 8601", "2021-05-06T08:30"),
        (["2011-01-20 05:00", "2011-01-20 06:00"], "ISO 8601", "2011-01-20T06:00"),
        (["2011/1/20", "2011/12/3"], "year-month-day", "2011-12-03"),
        (["3/14/2019 8:05", "12/1/2019 23:59"], "month/day/year", "2019-12-01T23:59"),
        (["14/3/2019", "1/12/2019"], "day.month.year", "2019-12-01"),
        (["31.12.2019", "1.2.2020"], "day.month.year", "2020-02-01"),
        (["1/2/68", "12/31/69"], "month/day/yy", "1969-12-31"),
        (["13/2/11 00:05", "1/2/11 17:00"], "day/month/yy", "2011-02-01T17:00"),
        (["5-Jan-2014", "17 march 15"], "day month year", "2015-03-17"),
        (["Jan 5, 2014 3:04 PM", "May 12 2014 12:00 AM"], "month day, year", "2014-05-12"),
        (["Jan-1-1995", "Dec-31-1996 8:05"], "month day, year", "1996-12-31T08:05"),
        (["2013-01", "2013-12"], "year-month", "2013-12-01"),
        (["7:05", "23:59:30"], "time of day", "1970-01-01T23:59:30"),
        (["12:00 AM", "3:04 pm"], "time of day", "1970-01-01T15:04"),
    ],
)
def test_formats(texts, name, last):
    assert date_format(texts) == name
    times, bad = dates_of(np.array([*texts, None], dtype=object), name)
    assert times[-2] == np.datetime64(last)
    assert np.isnat(times[-1])
    assert not bad.any()


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["1.2.13"],
        ["2020-01-03", "soon"],
        ["31/12/2019", "12/31/2019"],
        ["2020-02-30"],
        ["5-Foo-2014"],
        ["192.168.2014.1"],
        ["20200103"],
        ["10:30", "24:10"],
        ["10:30", "2020-01-03 10:30"],
        ["1:2:3"],
        ["Jan-1-95"],
        ["Marble-5-1995"],
        ["63:30 PM"],
    ],
)
def test_texts_that_are_no_dates(texts):
    assert date_format(texts) is None


@pytest.mark.parametrize(
    ("texts", "month_first", "day_first", "is_open"),
    [
        (["1/2/2021", "3/4/2021"], "month/day/year", "day.month.year", True),
        (["1-2-2021 8:05", "3-4-2021 9:00"], "month/day/year", "day.month.year", True),
        (["1/2/21", "3/4/21"], "month/day/yy", "day/month/yy", True),
        (["2/2/2021", "3/3/2021"], "month/day/year", "day.month.year", False),  # either is the same
        (["1/2/2021", "3/14/2021"], "month/day/year", "month/day/year", False),
        (["14/2/2021", "1/2/2021"], "day.month.year", "day.month.year", False),
        (["1.2.2021"], "day.month.year", "day.month.year", False),
        (["2021-01-02"], "ISO 8601", "ISO 8601", False),
    ],
)
def test_the_order_of_day_and_month(texts, month_first, day_first, is_open):
    assert date_format(texts) == month_first
    assert date_format(texts, day_first=True) == day_first
    assert has_open_order(texts, month_first) == is_open


def test_a_text_of_another_format_is_marked():
    times, bad = dates_of(np.array(["1/2/2019", "x", None], dtype=object), "month/day/year")
    assert bad.tolist() == [False, True, False]
    assert np.isnat(times).tolist() == [False, True, True]
