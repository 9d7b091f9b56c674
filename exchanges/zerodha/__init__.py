"""Zerodha through Kite Connect: one SL order per rung, or one two-leg GTT per rung.

Importing this loads neither kiteconnect nor Twisted: opening an account loads the one, running its
stream the other.
"""

from exchanges.zerodha.checkup import Checkup, checkup
from exchanges.zerodha.client import AuthLost
from exchanges.zerodha.instruments import Product
from exchanges.zerodha.login import Login, exchange, keep_token, login_url
from exchanges.zerodha.settings import Scheme, ZerodhaSettings, check
from exchanges.zerodha.stream import Stream
from exchanges.zerodha.venue import Health, ZerodhaVenue

__all__ = [
    "AuthLost",
    "Checkup",
    "Health",
    "Login",
    "Product",
    "Scheme",
    "Stream",
    "ZerodhaSettings",
    "ZerodhaVenue",
    "check",
    "checkup",
    "exchange",
    "keep_token",
    "login_url",
]
