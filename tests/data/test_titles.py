import pytest

from palr.data.titles import clean, split_title


@pytest.mark.parametrize(
    ("written", "title", "year"),
    [
        ("Toy Story (1995)", "Toy Story", 1995),
        ("Matrix, The (1999)", "The Matrix", 1999),
        ("Fish Called Wanda, A (1988)", "A Fish Called Wanda", 1988),
        ("American in Paris, An (1951)", "An American in Paris", 1951),
        ("City of Lost Children, The (1995)", "The City of Lost Children", 1995),
        ("Crow: City of Angels, The (1996)", "The Crow: City of Angels", 1996),
        ("Good, The Bad and The Ugly, The (1966)", "The Good, The Bad and The Ugly", 1966),
        ("Beans of Egypt, Maine, The (1994)", "The Beans of Egypt, Maine", 1994),
        ("Misérables, Les (1995)", "Les Misérables", 1995),
        ("Postino, Il (The Postman) (1994)", "Il Postino (The Postman)", 1994),
        ("Enfer, L' (1994)", "L'Enfer", 1994),
        ("Superweib, Das (1996)", "Das Superweib", 1996),
        ("Convent, The (Convento, O) (1995)", "The Convent (O Convento)", 1995),
        (
            "Star Maker, The (Uomo delle stelle, L') (1995)",
            "The Star Maker (L'Uomo delle stelle)",
            1995,
        ),
        (
            "Shanghai Triad (Yao a yao yao dao waipo qiao) (1995)",
            "Shanghai Triad (Yao a yao yao dao waipo qiao)",
            1995,
        ),
        (
            "White Balloon, The (Badkonake Sefid ) (1995)",
            "The White Balloon (Badkonake Sefid)",
            1995,
        ),
        ("Associate, The (L'Associe)(1982)", "The Associate (L'Associe)", 1982),
        ("Cry, the Beloved Country (1995)", "Cry, the Beloved Country", 1995),
        ("Paris, Texas (1984)", "Paris, Texas", 1984),
        ("Truth or Consequences, N.M. (1997)", "Truth or Consequences, N.M.", 1997),
        ("301, 302 (1995)", "301, 302", 1995),
        ("1-900", "1-900", None),
        ("(1999)", "(1999)", None),
        ("", "", None),
    ],
)
def test_titles_come_into_display_order(written: str, title: str, year: int | None) -> None:
    assert split_title(written) == (title, year)


@pytest.mark.parametrize(
    ("dirty", "tidy"),
    [
        ("Kirk&#39;s  Soap ", "Kirk's Soap"),
        ("eForCity&amp;reg;", "eForCity®"),
        ("<b>Rich</b> Cream<br/>2 oz", "Rich Cream 2 oz"),
        ("5 < 7 & 7 > 5", "5 < 7 & 7 > 5"),
        ("a\x00b\tc\n", "a b c"),
    ],
)
def test_clean(dirty: str, tidy: str) -> None:
    assert clean(dirty) == tidy
