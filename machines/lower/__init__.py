"""Declared ladder → the orders this venue should hold, one module per exit style.

Knows the ladder and the venue's capabilities; knows no states and nothing of what rests.
"""
