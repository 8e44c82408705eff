"""Tiny data sets of made-up films and soaps, in every layout that is published."""

import gzip
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

FILMS = ("Élan vital, L'", "Tide Clock, The", "Zwölf Möwen", "Paper Harbour", "Kite Season")
N_USERS = 6
PAIRS = [(user, film) for user in range(1, N_USERS + 1) for film in range(1, len(FILMS) + 1)]
LABELS = ["L'Élan vital (1990)", "The Tide Clock (1991)", "Zwölf Möwen (1992)"]
LABELS += ["Paper Harbour (1993)", "Kite Season (1994)"]
KEYWORDS = [("drama", "comedy"), ("drama",)] * 2 + [("drama", "comedy")]
GENRES = ("unknown", "Comedy", "Drama", "War")

Files = Mapping[str, bytes]


def _films() -> list[tuple[int, str, list[str]]]:
    return [
        (at, f"{title} ({1989 + at})", ["Drama", "Comedy"][: 1 + at % 2])
        for at, title in enumerate(FILMS, start=1)
    ]


def dat(encoding: str = "latin-1") -> Files:
    """MovieLens-1M, or -10M in UTF-8."""
    movies = [f"{at}::{title}::{'|'.join(genres)}\n" for at, title, genres in _films()]
    ratings = [f"{user}::{film}::4::{user * film}\n" for user, film in PAIRS]
    return {
        "ratings.dat": "".join(ratings).encode(encoding),
        "movies.dat": "".join(movies).encode(encoding),
    }


def csv(encoding: str = "utf-8", delimiter: str = ",", end: str = "\n") -> Files:
    """MovieLens-25M and its like."""
    quote = '"'
    movies = ["movieId,title,genres".replace(",", delimiter)]
    movies += [
        delimiter.join((str(at), f"{quote}{title}{quote}", "|".join(genres)))
        for at, title, genres in _films()
    ]
    ratings = ["userId,movieId,rating,timestamp".replace(",", delimiter)]
    ratings += [
        delimiter.join((str(user), str(film), "4.0", str(user * film))) for user, film in PAIRS
    ]
    return {
        "ratings.csv": f"{end.join(ratings)}{end}".encode(encoding),
        "movies.csv": f"{end.join(movies)}{end}".encode(encoding),
    }


def ml_100k(encoding: str = "latin-1") -> Files:
    """MovieLens-100K as it is published."""
    items = []
    for at, title, genres in _films():
        flags = "|".join(str(int(genre in genres)) for genre in GENRES)
        items.append(f"{at}|{title}|01-Jan-{1989 + at}||http://films.example/{at}|{flags}\n")
    data = [f"{user}\t{film}\t4\t{user * film}\n" for user, film in PAIRS]
    genres = [f"{genre}|{at}\n" for at, genre in enumerate(GENRES)]
    return {
        "u.data": "".join(data).encode(encoding),
        "u.item": "".join(items).encode(encoding),
        "u.genre": ("".join(genres) + "\n").encode(encoding),
    }


def recbole() -> Files:
    """MovieLens-100K as RecBole ships it."""
    item = ["item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"]
    item += [f"{at}\t{title[:-7]}\t{title[-5:-1]}\t{' '.join(g)}\n" for at, title, g in _films()]
    inter = ["user_id:token\titem_id:token\trating:float\ttimestamp:float\n"]
    inter += [f"{user}\t{film}\t4\t{user * film}\n" for user, film in PAIRS]
    return {"ml-100k.inter": "".join(inter).encode(), "ml-100k.item": "".join(item).encode()}


def products() -> list[dict[str, object]]:
    """What `beauty` has of each product, as Amazon wrote it in 2014."""
    return [
        {
            "asin": f"B{at}",
            "title": f"{title} Soap",
            "brand": "Brünn & Co",
            "categories": [["Beauty", "Bath & Body", f"Kind {at % 2}"]],
        }
        for at, title in enumerate(FILMS, start=1)
    ]


def beauty(meta: list[str] | None = None, encoding: str = "utf-8") -> Files:
    """Amazon Beauty, with these lines of metadata in the place of `products` as literals."""
    lines = list(map(str, products())) if meta is None else meta
    reviews = [
        json.dumps({"reviewerID": f"A{user}", "asin": f"B{item}", "unixReviewTime": user * item})
        for user, item in PAIRS
    ]
    return {
        "reviews_Beauty_5.json.gz": gzip.compress("\n".join(reviews).encode(encoding), 1),
        "meta_Beauty.json.gz": gzip.compress("\n".join(lines).encode(encoding), 1),
    }


def write(folder: Path, files: Files) -> Path:
    """Write the files into a new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def zipped(path: Path, files: Files, inner: str) -> Path:
    """Write the files into a zip archive, in a folder of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"{inner}{name}", content)
    return path
