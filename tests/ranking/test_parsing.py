from hypothesis import given
from hypothesis import strategies as st

from palr.ranking.parsing import parse_names

NAMES = ['"Babe"', '"Heat"', '"Heat"', '"Jaws (1975)"']


def test_names_come_in_the_order_written_and_repairs_are_reported():
    chosen, repairs = parse_names('Sure! "Jaws (1975)", "heat", "Alien", "Heat", "Heat"', NAMES)
    assert chosen == [3, 1, 2]
    assert repairs == ('dropped "Alien": not a candidate', 'dropped a repetition of "Heat"')


@given(st.text(alphabet='"Heatbs ,\n'))
def test_any_text_gives_distinct_candidates(text):
    chosen, _ = parse_names(text, NAMES)
    assert len(chosen) == len(set(chosen))
    assert set(chosen) <= set(range(len(NAMES)))
