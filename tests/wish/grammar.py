"""Two hundred phrasings: templates, each filled with words that mean a keyword.

``{0}`` and ``{1}`` are filled in turn from the words of the domain; ``more`` and ``less`` say which
of the two must be read on which side.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle


@dataclass(frozen=True)
class Phrase:
    domain: str
    text: str
    more: frozenset[str]
    less: frozenset[str]
    years: tuple[int, int] | None = None


# Template, places of what is wanted, places of what is not.
SIGNS = (
    ("more {0}", "0", ""),
    ("I love {0}", "0", ""),
    ("give me some {0} please", "0", ""),
    ("I'm in the mood for {0}", "0", ""),
    ("looking for {0} or {1}", "01", ""),
    ("{0} and {1}", "01", ""),
    ("we both enjoy {0}, {1} too", "01", ""),
    ("can't get enough of {0}", "0", ""),
    ("I never get tired of {0}", "0", ""),
    ("nothing but {0}", "0", ""),
    ("I could watch {0} all day", "0", ""),
    ("how about {0}?", "0", ""),
    ("I really need {0} in my life", "0", ""),
    ("big fan of {0} here", "0", ""),
    ("show me {0}, mostly", "0", ""),
    ("no {0}", "", "0"),
    ("no {0} please, and no {1} either", "", "01"),
    ("I don't like {0}", "", "0"),
    ("i dont want any {0}", "", "0"),
    ("I do not want to see {0} ever again", "", "0"),
    ("we're not big fans of {0}", "", "0"),
    ("I hate {0}", "", "0"),
    ("I can't stand {0} or {1}", "", "01"),
    ("please avoid {0}", "", "0"),
    ("skip the {0}", "", "0"),
    ("stop recommending {0}", "", "0"),
    ("stop showing me {0} and {1}", "", "01"),
    ("anything but {0}", "", "0"),
    ("everything except {0}", "", "0"),
    ("enough {0} already", "", "0"),
    ("I've had enough of {0}", "", "0"),
    ("so tired of {0}", "", "0"),
    ("sick of {0}, sick of {1}", "", "01"),
    ("too much {0} lately", "", "0"),
    ("neither {0} nor {1}", "", "01"),
    ("{0} is not my thing", "", "0"),
    ("{0}? No thanks", "", "0"),
    ("{0} bores me", "", "0"),
    ("I'm not into {0} at all", "", "0"),
    ("I never liked {0}", "", "0"),
    ("I could do without {0}", "", "0"),
    ("I used to love {0}, but not any more", "", "0"),
    ("I no longer enjoy {0}", "", "0"),
    ("less {0}, more {1}", "1", "0"),
    ("more {0}, less {1}", "0", "1"),
    ("{0} without {1}", "0", "1"),
    ("{0} but no {1}", "0", "1"),
    ("{0}, not {1}", "0", "1"),
    ("I like {0} but I hate {1}", "0", "1"),
    ("I don't like {0}, I like {1}", "1", "0"),
    ("I'd rather have {0} than {1}", "0", "1"),
    ("I prefer {0} to {1}", "0", "1"),
    ("{0} instead of {1}", "0", "1"),
    ("instead of {0}, {1}", "1", "0"),
    ("rather {0} than {1}", "0", "1"),
    ("swap {0} for {1}", "1", "0"),
    ("no {0}. {1} would be great", "1", "0"),
    ("no {0}, {1} instead", "1", "0"),
    ("something like {0} but with less {1}", "0", "1"),
    ("not {0} but {1}", "1", "0"),
    ("{0} yes, {1} no", "0", "1"),
    ("I don't mind {0} as long as there is {1}", "1", ""),
    ("I don't hate {0}", "", ""),
    ("I don't dislike {0}, but I want {1}", "1", ""),
    ("I used to hate {0} but now I love it", "0", ""),
    ("my sister loves {0} and can't stand {1}", "0", "1"),
)

MOVIES = (
    ("horror", "horror"),
    ("musicals", "musical"),
    ("westerns", "western"),
    ("comedies", "comedy"),
    ("romance", "romance"),
    ("war films", "war"),
    ("science fiction", "sci-fi"),
    ("cartoons", "animation"),
    ("gangster movies", "crime"),
    ("documentaries", "documentary"),
    ("thrillers", "thriller"),
    ("slasher flicks", "horror"),
    ("film noir", "film-noir"),
    ("love stories", "romance"),
    ("murder mysteries", "mystery"),
    ("fantasy", "fantasy"),
    ("adventure", "adventure"),
)
BEAUTY = (
    ("lipstick", "lipstick"),
    ("nail polish", "nail polish"),
    ("perfume", "fragrance"),
    ("matte", "matte"),
    ("glitter", "glitter"),
    ("vanilla", "vanilla"),
    ("shampoo", "shampoo"),
    ("mascara", "mascara"),
    ("moisturizers", "moisturizers"),
    ("foundation", "foundation"),
    ("conditioner", "conditioner"),
)

# In movies, with the years that must be read; None is the catalog's own first or last.
YEARS = (
    ("{0} from the forties", (1940, 1949)),
    ("90s {0}", (1990, 1999)),
    ("{0} of the nineteen seventies", (1970, 1979)),
    ("{0} before 1980", (None, 1979)),
    ("{0} made after 1990", (1991, None)),
    ("{0} between 1985 and 1995", (1985, 1995)),
    ("{0} in 1994", (1994, 1994)),
    ("{0} from 1960 to 1970", (1960, 1970)),
    ("early 70s {0}", (1970, 1973)),
    ("{0}, late eighties", (1987, 1989)),
    ("{0}, nothing older than 1990", (1990, None)),
    ("{0} not newer than 1970", (None, 1970)),
    ("{0} since 1995", (1995, None)),
    ("pre-1960 {0}", (None, 1959)),
    ("{0} from the 60s or 70s", (1960, 1979)),
    ("{0}, 1990 or later", (1990, None)),
    ("{0} up to 1950", (None, 1950)),
    ("1980s {0}", (1980, 1989)),
    ("{0} from the 50's", (1950, 1959)),
    ("I want {0}, but nothing before 1985", (1985, None)),
)


def phrases(first_year: int, last_year: int) -> Iterator[Phrase]:
    """All of them; open years end where the catalog does."""
    for domain, words, offsets in (("movies", MOVIES, (0, 5)), ("beauty", BEAUTY, (0,))):
        for offset in offsets:
            places = cycle(range(len(words)))
            for number, (template, more, less) in enumerate(SIGNS):
                one = words[(next(places) + offset) % len(words)]
                two = words[(number + offset + 3) % len(words)]
                if one[1] == two[1]:
                    two = words[(number + offset + 4) % len(words)]
                said = (one, two)
                yield Phrase(
                    domain,
                    template.format(one[0], two[0]),
                    frozenset(said[int(place)][1] for place in more),
                    frozenset(said[int(place)][1] for place in less),
                )
    for number, (template, (start, end)) in enumerate(YEARS):
        word, key = MOVIES[number % len(MOVIES)]
        yield Phrase(
            "movies",
            template.format(word),
            frozenset({key}),
            frozenset(),
            (first_year if start is None else start, last_year if end is None else end),
        )
