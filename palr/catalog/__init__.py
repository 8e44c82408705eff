"""The items that can be picked: catalogs, their search, and a visitor's own items."""
