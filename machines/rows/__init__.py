"""The rows of the position table, a file for each part of a position's life."""
