"""A domain: its nouns, the paper's wording for them, and where its data comes from.

To add a domain, add one entry to `DOMAINS` and, for new data, one to `palr.data.datasets.DATASETS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from palr.errors import PalrError
from palr.types import Item

HISTORY_LIMIT = 20  # items that a prompt shows at most (paper, section 2.2)


@dataclass(frozen=True)
class Persona:
    """A ready-made visitor.

    Attributes:
        name: Their name on the page.
        blurb: What they like, in a few words.
        queries: Searches whose first matches are their picks, oldest first.
        theme: Keywords of which each recommendation should carry one (`palr.bench.steer`).
    """

    name: str
    blurb: str
    queries: tuple[str, ...]
    theme: tuple[str, ...] = ()


@dataclass(frozen=True)
class Domain:
    """Wording and data of one domain.

    Attributes:
        key: Its name on the command line.
        label: Its name on the page.
        noun: What an item is called; ``nouns`` is the plural.
        verb: What a person did with an item, such as "watched".
        person: What a person is called, such as "viewer".
        taste: What a profile says a person likes, with ``{keywords}``.
        datasets: Keys of its data sets; the first that is installed serves the page.
        instruction: The task with candidates, in the paper's words (section 2.2).
        open_instruction: The task without candidates, likewise.
        history_intro: The words before the history, likewise.
        names_ids: Whether prompts name an item as ``ID (label)``, as the paper does for products.
        personas: Ready-made visitors.
        profile_weight: How much the profile moves the candidates, from 0 to 1, where a visitor
            does not say (`palr.retrieval.steer`).
        wish_example: Words that a visitor could ask with.
    """

    key: str
    label: str
    noun: str
    nouns: str
    verb: str
    person: str
    taste: str
    datasets: tuple[str, ...]
    instruction: str
    open_instruction: str
    history_intro: str
    names_ids: bool
    personas: tuple[Persona, ...]
    profile_weight: float = 0.0
    wish_example: str = ""

    def history(self, picks: Sequence[Item]) -> tuple[Item, ...]:
        """The interaction history (paper, Figure 1): the picks, oldest first.

        An item that was picked twice is kept at its latest position.
        """
        latest = {item.id: position for position, item in enumerate(picks)}
        return tuple(item for position, item in enumerate(picks) if latest[item.id] == position)

    def name(self, item: Item) -> str:
        """How prompts and answers name an item."""
        return f"{item.id} ({item.label})" if self.names_ids else item.label


MOVIES = Domain(
    key="movies",
    label="Movies",
    noun="movie",
    nouns="movies",
    verb="watched",
    person="viewer",
    taste="{keywords} movies",
    datasets=("ml-1m", "ml-latest-small", "ml-100k"),
    instruction=(
        "Recommend {k} other movies based on user's watching history from the candidate list."
    ),
    open_instruction="Recommend {k} other movies based on user's watching history.",
    history_intro="User watched movies",
    names_ids=False,
    profile_weight=0.4,
    wish_example="comedies of the 80s",
    personas=(
        Persona(
            "Family film night",
            "Animation and fairy tales",
            (
                "Toy Story (1995)",
                "Aladdin (1992)",
                "The Lion King (1994)",
                "Beauty and the Beast (1991)",
                "Babe (1995)",
                "Mary Poppins (1964)",
            ),
            theme=("children's", "animation", "musical"),
        ),
        Persona(
            "Space opera fan",
            "Starships, aliens and empires",
            (
                "Star Wars (1977)",
                "The Empire Strikes Back (1980)",
                "Return of the Jedi (1983)",
                "Alien (1979)",
                "Blade Runner (1982)",
                "Star Trek: First Contact (1996)",
            ),
            theme=("sci-fi",),
        ),
        Persona(
            "Crime and noir",
            "Gangsters, heists and detectives",
            (
                "Pulp Fiction (1994)",
                "The Godfather (1972)",
                "GoodFellas (1990)",
                "L.A. Confidential (1997)",
                "Fargo (1996)",
                "Chinatown (1974)",
            ),
            theme=("crime", "film-noir"),
        ),
        Persona(
            "Hopeless romantic",
            "Love stories old and new",
            (
                "Casablanca (1942)",
                "Sleepless in Seattle (1993)",
                "Sense and Sensibility (1995)",
                "When Harry Met Sally... (1989)",
                "The English Patient (1996)",
                "Titanic (1997)",
            ),
            theme=("romance",),
        ),
        Persona(
            "Up all night",
            "Horror, from classic to slasher",
            (
                "Psycho (1960)",
                "The Shining (1980)",
                "Scream (1996)",
                "A Nightmare on Elm Street (1984)",
                "Carrie (1976)",
            ),
            theme=("horror",),
        ),
    ),
)

BEAUTY = Domain(
    key="beauty",
    label="Beauty",
    noun="product",
    nouns="products",
    verb="purchased",
    person="shopper",
    taste="products tagged {keywords}",
    datasets=("beauty", "beauty-starter"),
    instruction="Recommend {k} other items based on user's history from the candidate list.",
    open_instruction="Recommend {k} other items based on user's history.",
    history_intro="User has purchased the following products",
    names_ids=True,
    profile_weight=0.15,
    wish_example="vegan, for dry skin",
    personas=(
        Persona(
            "Nail art at home",
            "Lacquers and top coats",
            (
                "opi nail lacquer",
                "essie nail polish",
                "seche vite top coat",
                "sally hansen",
                "china glaze",
            ),
            theme=("nails", "nail polish"),
        ),
        Persona(
            "Gentle skin care",
            "Hydration for sensitive skin",
            (
                "cerave moisturizing cream",
                "cetaphil gentle skin cleanser",
                "la roche-posay toleriane",
                "aveeno daily moisturizing lotion",
                "vanicream",
            ),
            theme=("skin care",),
        ),
        Persona(
            "Full glam",
            "Eyes, lips and a long-lasting base",
            (
                "maybelline mascara",
                "nyx lip cream",
                "urban decay naked",
                "revlon colorstay makeup",
                "mac lipstick",
            ),
            theme=("makeup",),
        ),
        Persona(
            "Curls and care",
            "Shampoo, oils and styling",
            (
                "moroccanoil treatment",
                "shea moisture",
                "deva curl",
                "it's a 10 miracle leave-in",
                "ouidad",
            ),
            theme=("hair care",),
        ),
        Persona(
            "Fragrance wardrobe",
            "From fresh citrus to warm amber",
            (
                "chanel no. 5",
                "dolce gabbana light blue",
                "calvin klein",
                "versace bright crystal",
                "davidoff cool water",
            ),
            theme=("fragrance",),
        ),
    ),
)

DOMAINS: dict[str, Domain] = {domain.key: domain for domain in (MOVIES, BEAUTY)}


def get_domain(key: str) -> Domain:
    """Look a domain up; raises PalrError naming the known ones."""
    if key not in DOMAINS:
        raise PalrError(f"unknown domain {key!r}; choose one of: {', '.join(DOMAINS)}")
    return DOMAINS[key]
