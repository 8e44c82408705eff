"""Answers as models write them. Each case has the one order that a reader would take from it."""

import json
import random
import time

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from palr.ranking.matching import folded
from palr.ranking.parsing import names_so_far, parse_names

NAMES = ['"Babe"', '"Heat"', '"Heat"', '"Jaws (1975)"']

FILMS = [
    f'"{name}"'
    for name in (
        "Heat (1995)",
        "The Heat (2013)",
        "Alien (1979)",
        "Aliens (1986)",
        "12 Monkeys (1995)",
        "1984 (1984)",
        "Seven (Se7en) (1995)",
        "The Matrix (1999)",
        "Amélie (2001)",
        "Sense & Sensibility (1995)",
        "When Harry Met Sally... (1989)",
        "Babe (1995)",
        "Crouching Tiger, Hidden Dragon (2000)",
        "2001: A Space Odyssey (1968)",
        "Airplane! (1980)",
        "Star Wars: Episode IV - A New Hope (1977)",
        "The Good, the Bad and the Ugly (1966)",
        "Ocean's Eleven (2001)",
        "10 (1979)",
        "Toy Story (1995)",
        "Toy Story 2 (1999)",
    )
]
HEAT, THE_HEAT, ALIEN, ALIENS, MONKEYS, ORWELL, SEVEN, MATRIX, AMELIE, SENSE = range(10)
HARRY, BABE, TIGER, SPACE, AIRPLANE, WARS, UGLY, OCEAN, TEN, TOY, TOY2 = range(10, 21)


def read(answer, names=FILMS):
    return parse_names(answer, names)[0]


def test_names_come_in_the_order_written_and_repairs_are_reported():
    chosen, repairs = parse_names('Sure! "Jaws (1975)", "heat", "Alien", "Heat", "Heat"', NAMES)
    assert chosen == [3, 1, 2]
    assert repairs == ('dropped "Alien": not a candidate', 'dropped a repetition of "Heat"')


@given(st.text(alphabet='"Heatbs ,\n'))
def test_any_text_gives_distinct_candidates(text):
    chosen, _ = parse_names(text, NAMES)
    assert len(chosen) == len(set(chosen))
    assert set(chosen) <= set(range(len(NAMES)))


@pytest.mark.parametrize(
    ("answer", "order"),
    [
        ("1. Heat (1995)\n2. Alien (1979)\n3. Babe (1995)", [HEAT, ALIEN, BABE]),
        ("1) Heat\n2) Aliens\n3) The Heat", [HEAT, ALIENS, THE_HEAT]),
        ("(1) Heat\n(2) Babe", [HEAT, BABE]),
        ("1.Heat\n2.Babe", [HEAT, BABE]),
        ("1 - Heat\n2 - Babe", [HEAT, BABE]),
        ("#1 Heat\n#2 Babe", [HEAT, BABE]),
        ("Rank 1: Heat\nRank 2: Babe", [HEAT, BABE]),
        ("1\ufe0f\u20e3 Heat\n2\ufe0f\u20e3 Babe", [HEAT, BABE]),
        ("A. Heat\nB. Babe", [HEAT, BABE]),
        ("**1.** Heat\n**2.** Babe", [HEAT, BABE]),
        ("**1. Heat (1995)**\n**2. Babe (1995)**", [HEAT, BABE]),
        ("1. *Heat* (1995): a film\n2. _Babe_, 1995", [HEAT, BABE]),
        ("1. Title: Heat (1995)\n2. Title: Babe", [HEAT, BABE]),
        ("1. Heat 2. Alien 3. Babe", [HEAT, ALIEN, BABE]),
        ('1. "Heat", 2. "Alien", 3. "Babe"', [HEAT, ALIEN, BABE]),
        ("- Heat\n- 12 Monkeys\n- 1984", [HEAT, MONKEYS, ORWELL]),
        ("* *Heat*\n* _Alien_", [HEAT, ALIEN]),
        ("\u2022 Heat \u2022 Babe \u2022 Alien", [HEAT, BABE, ALIEN]),
        ("\u201cHeat (1995)\u201d, \u201cAlien\u201d, \u201cAliens\u201d", [HEAT, ALIEN, ALIENS]),
        ("\u00abHeat\u00bb, \u201eBabe\u201c, \u300cAlien\u300d", [HEAT, BABE, ALIEN]),
        ("'Heat', 'Ocean's Eleven', 'Alien'", [HEAT, OCEAN, ALIEN]),
        ("`Heat`, `Babe`", [HEAT, BABE]),
        ("Heat, Alien, Babe", [HEAT, ALIEN, BABE]),
        ("Heat and Babe", [HEAT, BABE]),
        ("Heat; Alien, and Babe.", [HEAT, ALIEN, BABE]),
        ("Heat > Babe > Alien", [HEAT, BABE, ALIEN]),
        ("Heat \u2192 Babe \u2192 Alien", [HEAT, BABE, ALIEN]),
        ("Heat (crime), Alien (sci-fi), Babe", [HEAT, ALIEN, BABE]),
        ("Heat\nBabe\n\nAlien", [HEAT, BABE, ALIEN]),
        ("Output: Heat, Babe", [HEAT, BABE]),
        ("**Answer:** Heat, Babe", [HEAT, BABE]),
        ("The top 3 are: Heat, Alien, and Babe.", [HEAT, ALIEN, BABE]),
        ("\u201cHeat,\u201d \u201cBabe,\u201d and \u201cAlien.\u201d", [HEAT, BABE, ALIEN]),
        ("My ranking: 1) Heat; 2) Babe; 3) Alien", [HEAT, BABE, ALIEN]),
        ("First: Heat\nSecond: Babe", [HEAT, BABE]),
        ("1.\nHeat (1995)\n2.\nBabe", [HEAT, BABE]),
        ("3. Babe\n2. Alien\n1. Heat", [HEAT, ALIEN, BABE]),
        ("- title: Heat\n  year: 1995\n- title: Babe\n  year: 1995", [HEAT, BABE]),
        ("[3] Alien (1979) > [1] Heat (1995)", [ALIEN, HEAT]),
        ("Heat (1995) | Babe (1995)", [HEAT, BABE]),
        ("<ol><li>Heat</li><li>Babe</li></ol>", [HEAT, BABE]),
        ("<item>Heat</item><item>Babe</item>", [HEAT, BABE]),
        ("I. Heat\nII. Babe\nIII. Alien", [HEAT, BABE, ALIEN]),
        ('$\\boxed{"Heat", "Babe"}$', [HEAT, BABE]),
        ("### 1. Heat (1995)\nA film like Alien.\n\n### 2. Babe (1995)\nA pig.", [HEAT, BABE]),
        ("**Heat (1995)**\nIt is tense.\n\n**Babe (1995)**\nA pig.", [HEAT, BABE]),
        (
            "| Rank | Title | Year | Why |\n|---|:--|---|---|\n"
            "| 1 | Heat | 1995 | like Alien |\n| 2 | **Babe** | 1995 | |",
            [HEAT, BABE],
        ),
    ],
)
def test_a_list_is_read_in_every_form(answer, order):
    assert read(answer) == order
    assert read(f"Here are my recommendations:\n\n{answer}\n\nEnjoy!") == order


@pytest.mark.parametrize(
    ("answer", "order"),
    [
        ('["Heat (1995)", "Alien (1979)"]', [HEAT, ALIEN]),
        ("['Heat (1995)', 'Alien (1979)']", [HEAT, ALIEN]),
        ('[\n  "Heat (1995)",\n  "Babe",\n]', [HEAT, BABE]),
        ('{"recommendations": ["Heat", "Babe"], "rejected": ["Alien"]}', [HEAT, BABE]),
        ('{"1": "Heat", "2": "Babe"}', [HEAT, BABE]),
        ('{"Heat (1995)": "tense, like Alien", "Babe": "a pig"}', [HEAT, BABE]),
        (
            '```json\n[{"title": "Alien", "year": 1979, "rank": 2, "reason": "like Babe"},\n'
            '{"title": "Heat", "year": 1995, "rank": 1}]\n```',
            [HEAT, ALIEN],
        ),
        ('[{"movie": "Heat"}, {"movie": "Babe"}, {"movie": "Ali', [HEAT, BABE]),
        ('{"title": "Heat"}\n{"title": "Babe"}', [HEAT, BABE]),
        ('{"rank": 2, "title": "Heat"}\n{"rank": 1, "title": "Babe"}', [BABE, HEAT]),
        ('{"Heat": 2, "Babe": 1}', [BABE, HEAT]),
        ('{"Heat": 0.2, "Babe": 0.9}', [BABE, HEAT]),
        ('I liked Alien. ```\n["1. Heat", "2. Babe"]\n```', [HEAT, BABE]),
    ],
)
def test_json_is_read_whole_or_cut(answer, order):
    assert read(answer) == order


@pytest.mark.parametrize(
    ("answer", "order"),
    [
        ("[3] > [1] > [12]", [ALIEN, HEAT, BABE]),
        ("3 > 1 > 12", [ALIEN, HEAT, BABE]),
        ("Ranking: [3] > [1]", [ALIEN, HEAT]),
        ("1. [3]\n2. [1]", [ALIEN, HEAT]),
        ("[3, 1, 99]", [ALIEN, HEAT]),
        ("1984 > 12 Monkeys > Heat", [ORWELL, MONKEYS, HEAT]),
    ],
)
def test_places_in_the_prompts_list_count_where_they_are_no_titles(answer, order):
    assert read(answer) == order


@pytest.mark.parametrize(
    ("answer", "order"),
    [
        ("MATRIX, THE (1999)\nGood, the Bad and the Ugly, The (1966)", [MATRIX, UGLY]),
        ("amelie\nsense and sensibility\nOceans Eleven", [AMELIE, SENSE, OCEAN]),
        ("Heat 1995, Alien 1979, Babe [1995]", [HEAT, ALIEN, BABE]),
        ("Heat, 1995; Alien - 1979", [HEAT, ALIEN]),
        ("When Harry Met Sally..., Airplane!, Crouching Tiger, Hidden Dragon", [10, 14, 12]),
        ("1. When Harry Met Sally\u2026 (1989)\n2. Airplane", [HARRY, AIRPLANE]),
        ("Se7en (1995)\nSeven\nStar Wars (1977)", [SEVEN, WARS]),
        ("1. 12 Monkeys\n2. 1984\n3. 10\n4. 2001: A Space Odyssey", [4, 5, 18, 13]),
        ("12 Monkeys (1995)\n1984 (1984)\n10 (1979)", [MONKEYS, ORWELL, TEN]),
        ("10. Heat (1995)", [HEAT]),
        ("1. Aliens\n2. Alien\n3. The Heat\n4. Heat", [ALIENS, ALIEN, THE_HEAT, HEAT]),
        ("Toy Story 2, Toy Story", [TOY2, TOY]),
        ("Toy Story 3, Toy Story", [TOY]),
        ("1. Alien: Resurrection\n2. Alien 3\n3. Heat: a tense thriller.", [HEAT]),
        ("1. Alien vs. Predator (2004)\n2. Heat's Gang\n3. Babe - a pig", [BABE]),
        ("1. Heat (1986)\n2. Alien", [ALIEN]),
        ("1. Heat - Michael Mann (1995)\n2. Alien - Covenant (2017)", [HEAT]),
        ("Heat 1972, Alien", [ALIEN]),
    ],
)
def test_a_name_counts_in_any_spelling_but_only_as_a_whole(answer, order):
    assert read(answer) == order


@pytest.mark.parametrize(
    ("answer", "order"),
    [
        ("Based on your love of Alien (1979) and Heat, I recommend: Babe, Aliens.", [BABE, ALIENS]),
        ('As you liked "Alien" and "Heat":\n1. Babe\n2. Aliens', [BABE, ALIENS]),
        (
            "1. **Heat (1995)** - as dark as *Alien (1979)*\n   - Similar to Aliens\n"
            '2. **Babe (1995)** because you loved "Airplane!"\n   - Alien',
            [HEAT, BABE],
        ),
        ("Heat (1995) - it is like Alien (1979)\nBabe (1995) - a pig", [HEAT, BABE]),
        ("Movies you watched:\n1. Alien\n2. Heat\n\nMy picks:\n1. Babe\n2. Aliens", [BABE, ALIENS]),
        ("Not recommended:\n- Heat\n\nRecommended:\n- Babe", [BABE]),
        ("Rejected (too close to Heat):\n1. Alien\n\nRanking:\n1. Babe", [BABE]),
        ("Rejected: Heat, Alien\nRanking: Babe, Aliens", [BABE, ALIENS]),
        ("1. Heat\n2. Alien\n\n**Final ranking:**\n1. Alien\n2. Babe", [ALIEN, BABE]),
        ('1. You like crime such as Heat.\n\nFinal answer: "Babe", "Aliens"', [BABE, ALIENS]),
        ('I recommend "Heat" because you liked "Alien". Next, "Babe".', [HEAT, BABE]),
        ("I recommend Heat, Alien and Babe.", [HEAT, ALIEN, BABE]),
        ("I would rank Heat first, then Babe, and finally Alien.", [HEAT, BABE, ALIEN]),
        ("1. Heat\n2. Babe\n\n**Note:** I excluded Alien.", [HEAT, BABE]),
        ("My picks:\n* **Heat** (1995)\n* Babe\n\nI avoided:\n* Alien", [HEAT, BABE]),
        (
            'I would not recommend "Heat". Instead of "Alien", I suggest "Babe".',
            [BABE],
        ),
        ("You would enjoy **Heat** and **Babe**, if you like Alien (1979).", [HEAT, BABE]),
        ("I'm sorry, I can't help with that.", []),
        ("Heat is not something I can judge.", []),
        ("", []),
    ],
)
def test_only_what_is_recommended_counts(answer, order):
    assert read(answer) == order


def test_what_is_no_candidate_is_dropped_and_named():
    chosen, repairs = parse_names(
        "1. Heat\n2. Blade Runner 2049 (2017) - like Alien\n3. Heat", FILMS
    )
    assert chosen == [HEAT]
    assert repairs == (
        'dropped "Blade Runner 2049 (2017)": not a candidate',
        'dropped a repetition of "Heat"',
    )


def test_a_title_that_two_candidates_bear_means_the_first_that_is_left():
    films = ['"Heat (1986)"', '"Heat (1995)"', '"Babe (1995)"']
    chosen, repairs = parse_names("1. Heat\n2. Babe\n3. Heat\n4. Heat", films)
    assert chosen == [0, 2, 1]
    assert repairs == (
        'took "Heat (1986)" for "Heat": it fits 2 candidates',
        'took "Heat (1995)" for "Heat": it fits 2 candidates',
        'dropped a repetition of "Heat"',
    )
    assert read("Heat (1995), Heat", films) == [1, 0]


def test_products_are_known_by_id_and_by_label():
    names = ['"B01 (OPI Nail Lacquer, Red, 0.5 fl oz)"', '"B02 (Cream (2 oz))"', '"B03 (Oil)"']
    assert read("1. B02\n2. OPI Nail Lacquer, Red, 0.5 fl oz\n3. B03 (Oil)", names) == [1, 0, 2]
    assert read("Oil, OPI Nail Lacquer Red", names) == [2, 0]


def test_names_without_letters_are_known():
    assert read('"???", "Babe"', ['"Babe"', '"???"']) == [1, 0]


def test_half_a_name_at_the_end_of_a_cut_answer_does_not_count():
    assert parse_names("1. Heat\n2. Alien", FILMS, cut=True) == ([HEAT], ())
    assert parse_names('"Heat (1995)", "Alien', FILMS, cut=True) == ([HEAT], ())
    assert parse_names("1. Heat\n2. Alien - as dark as", FILMS, cut=True)[0] == [HEAT, ALIEN]
    assert parse_names('"Heat (1995)", "Alien"', FILMS, cut=True)[0] == [HEAT, ALIEN]


@pytest.mark.parametrize(
    ("answer", "order"),
    [
        ('"Heat (1995)", "Ali', [HEAT]),
        ("1. Heat\n2. Alien", [HEAT]),
        ('["Heat", "Alien"', [HEAT]),
        ("Okay, the user likes:\n1. Heat\n2. Alien\n", []),  # it may be reasoning
        ('You liked "Heat", "Alien",', []),
        ('The user likes: "Heat", "Alien", "Babe", ', []),
        ("3. Heat\n2. Alien\n", []),  # a countdown
        ("Based on your history, the best are:\n1. Heat\n2. Alien\n3. Babe", [HEAT, ALIEN]),
        ("Sure!\n\nHere are 3 movies:\n\n- Heat\n- Alien\n", [HEAT, ALIEN]),
        ("I recommend: Heat (1995), Alien (1979), Ba", [HEAT, ALIEN]),
        ("Okay. Not recommended:\n1. Heat\n2. Alien\n", []),
    ],
)
def test_an_answer_that_is_being_written_tells_what_can_no_longer_change(answer, order):
    assert names_so_far(answer, FILMS)[0] == order


def bare(name):
    return name.strip('"')


def undated(name):
    return bare(name).rpartition(" (")[0]


def moved(name):
    article, _, rest = undated(name).partition(" ")
    return f"{rest}, {article}" if article == "The" else undated(name)


STYLES = {
    "quoted": lambda names: ", ".join(names),
    "numbered": lambda names: "\n".join(f"{n}. {bare(x)}" for n, x in enumerate(names, 1)),
    "bullets": lambda names: "\n".join(f"- **{undated(x)}**" for x in names),
    "lines": lambda names: "\n".join(map(undated, names)),
    "commas": lambda names: ", ".join(map(bare, names)),
    "curly": lambda names: ", ".join(f"\u201c{undated(x)}\u201d" for x in names),
    "single": lambda names: ", ".join(f"'{bare(x)}'" for x in names),
    "moved": lambda names: "\n".join(f"{n}) {moved(x)}" for n, x in enumerate(names, 1)),
    "shouted": lambda names: "\n".join(undated(x).upper() for x in names),
    "arrows": lambda names: " > ".join(map(bare, names)),
    "json": lambda names: json.dumps([bare(x) for x in names]),
    "objects": lambda names: json.dumps(
        [{"rank": n, "title": undated(x), "year": bare(x)[-5:-1]} for n, x in enumerate(names, 1)]
    ),
    "table": lambda names: (
        "| # | Title | Why |\n|---|---|---|\n"
        + "\n".join(f"| {n} | {bare(x)} | like Alien |" for n, x in enumerate(names, 1))
    ),
    "places": lambda names: " > ".join(f"[{FILMS.index(x) + 1}]" for x in names),
    "reasons": lambda names: (
        "You liked Alien (1979), so:\n\n"
        + "\n".join(f"{n}. *{undated(x)}* - as good as Babe (1995)" for n, x in enumerate(names, 1))
    ),
}


@pytest.mark.parametrize("examples", [60, pytest.param(2000, marks=pytest.mark.long)])
def test_any_order_in_any_style_comes_back(examples):
    @hypothesis_settings(max_examples=examples, deadline=None)
    @given(
        st.permutations(range(len(FILMS))), st.integers(2, len(FILMS)), st.sampled_from([*STYLES])
    )
    def comes_back(order, n, style):
        order = order[:n]
        assert read(STYLES[style]([FILMS[index] for index in order])) == list(order)

    comes_back()


_TITLES = st.lists(
    st.tuples(
        st.text("abcdeéAB 1&:,.'!-", min_size=3, max_size=14).filter(
            lambda text: sum(map(str.isalpha, text)) > 2 and text == " ".join(text.split())
        ),
        st.integers(1900, 2030),
    ),
    min_size=2,
    max_size=8,
    unique=True,
)


@pytest.mark.parametrize("examples", [60, pytest.param(2000, marks=pytest.mark.long)])
def test_whatever_the_titles_are_the_prompts_own_format_comes_back(examples):
    @hypothesis_settings(max_examples=examples, deadline=None)
    @given(_TITLES, st.randoms())
    def comes_back(titles, chance: random.Random):
        names = [f'"{title} ({year})"' for title, year in titles]
        order = list(range(len(names)))
        chance.shuffle(order)
        answer = ", ".join(names[index] for index in order)
        # Names that differ in their signs only are one name to a reader.
        assert [folded(names[i]) for i in read(answer, names)] == [folded(names[i]) for i in order]

    comes_back()


@pytest.mark.parametrize(
    "answer",
    [
        "1     " * 400 + "x",
        '"' * 20_000,
        "[" * 50_000,
        "[" * 900 + "]" * 900,
        '{"a":' * 900,
        ". " * 10_000,
        "Heat, " * 3_000,
        "Heat " * 3_000,
        "> " * 10_000,
        "*_" * 10_000 + "Heat",
        "(" * 20_000,
        "|" * 20_000,
        "1. " * 5_000,
        "<think" * 5_000,
        " " * 20_000 + "x",
        "I like " * 4_000,
        "- " * 10_000,
    ],
    ids=lambda answer: answer[:8],
)
def test_hostile_answers_take_no_time(answer):
    begin = time.process_time()
    parse_names(answer, FILMS)
    names_so_far(answer, FILMS)
    assert time.process_time() - begin < 1
