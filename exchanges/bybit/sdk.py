"""A typed door to pybit, set up so that it sends once, to one place, and tells no secret.

pybit has no type stubs, prints its secret in ``repr`` and retries by itself; that ends here. Knows
no order and no position. *Source*: venues/bybit.md §1, §10.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Protocol, cast

import requests
from pybit.exceptions import FailedRequestError, InvalidRequestError
from pybit.unified_trading import HTTP
from requests.adapters import HTTPAdapter

from exchanges.secrets import Secret

__all__ = ["FailedRequestError", "InvalidRequestError", "Sdk", "said"]

RECV_WINDOW_MS = 5_000
"""A request older than this is discarded by the venue."""
TIMEOUT_S = (3, 5)
"""To connect, and between two bytes of an answer."""
CONNECTIONS = 16
"""Kept alive, one for each thread that may call at once."""
_NO_CODE = -1
"""The only return code that pybit may retry: none. An empty set would mean its default."""

Answer = tuple[object, Mapping[str, str]]
"""A body as JSON, and the headers."""


class _Call(Protocol):
    def __call__(self, **kwargs: object) -> tuple[object, object, Mapping[str, str]]: ...


class Sdk:
    """pybit's HTTP session for one key at one place; without a key for what is public."""

    __slots__ = ("_http",)

    def __init__(self, url: str, key: Secret | None, secret: Secret | None) -> None:
        http = HTTP(
            api_key=None if key is None else key.reveal(),
            api_secret=None if secret is None else secret.reveal(),
            timeout=TIMEOUT_S,
            recv_window=RECV_WINDOW_MS,
            retry_codes={_NO_CODE},
            max_retries=1,
            force_retry=False,
            return_response_headers=True,
        )
        http.endpoint = url
        session: requests.Session = http.client
        session.trust_env = False  # no proxy from the environment
        session.max_redirects = 0  # a signed request goes nowhere else
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=CONNECTIONS)
        session.mount(url, adapter)
        # pybit gives its logger a handler of its own where the root has none.
        logging.getLogger("pybit._http_manager").handlers.clear()
        self._http = http

    def call(self, method: str, params: Mapping[str, object]) -> Answer:
        """Call one of pybit's methods once; blocks.

        *Raises*: what ``classify.FAILURES`` lists.
        """
        call = cast("_Call", getattr(self._http, method))
        body, _, headers = call(**params)
        return body, headers

    def close(self) -> None:
        """Let the connections go."""
        close: Callable[[], None] = self._http.client.close
        close()

    def __repr__(self) -> str:
        return f"Sdk({self._http.endpoint})"


def said(error: FailedRequestError | InvalidRequestError) -> tuple[object, str, Mapping[str, str]]:
    """Return an exception's code, its text and the answer's headers.

    Never the text of the exception itself: that repeats the request.
    """
    headers = cast("Mapping[str, str] | None", error.resp_headers)
    return cast("object", error.status_code), str(error.message), headers or {}
