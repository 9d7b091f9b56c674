"""Exchanges: one port, and every venue behind it; they know the vocabulary, no tables."""
