"""Zerodha through Kite Connect: one SL order per rung, or one two-leg GTT per rung."""
