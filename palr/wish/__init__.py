"""What a visitor asks for beyond the picks: the words of a wish, read as keywords and years."""

from palr.wish.checks import WishError, check
from palr.wish.reading import Chip, Reading, read_wish

__all__ = ["Chip", "Reading", "WishError", "check", "read_wish"]
