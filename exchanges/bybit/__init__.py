"""Bybit's USDT perpetuals on a unified account, through pybit, behind the port of every venue."""
