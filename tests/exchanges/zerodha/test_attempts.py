"""When a placement of unknown outcome may leave again."""

from decimal import Decimal

import pytest

from exchanges.zerodha.attempts import Again, Attempt, Attempts
from exchanges.zerodha.instruments import Product
from machines.words import Role

NOW = 1_795_149_902_000
TAG = "abcdefghijs1g1"


def unknown(
    product: Product = Product.MIS, role: Role = Role.STOP_LOSS, order_id: str = ""
) -> Attempts:
    attempts = Attempts(product)
    attempts.settle(TAG, Attempt(role, Decimal(85), "INFY", NOW, order_id))
    return attempts


def read_often(attempts: Attempts, seconds: int) -> None:
    for second in range(1, seconds + 1):
        attempts.see([], NOW + second * 1_000)


@pytest.mark.parametrize(
    ("product", "role", "seconds"),
    [
        (Product.MIS, Role.ENTRY, 60),
        (Product.CNC, Role.ENTRY, 60),
        (Product.MIS, Role.STOP_LOSS, 25),
        (Product.NRML, Role.EXIT, 25),
        (Product.CNC, Role.STOP_LOSS, 3),
    ],
)
def test_placement_when_its_outcome_is_unknown_then_it_waits_out_its_window(
    product: Product, role: Role, seconds: int
) -> None:
    attempts = unknown(product, role)
    read_often(attempts, seconds)
    window_ms = seconds * 1_000
    assert attempts.again(TAG, NOW + window_ms - 1) is Again.WAIT
    assert attempts.again(TAG, NOW + window_ms) is Again.SEND


def test_placement_when_the_book_was_not_read_twice_then_it_waits_on() -> None:
    attempts = unknown()
    attempts.see([], NOW + 999)
    attempts.see([], NOW + 1_000)
    attempts.see([], NOW + 1_500)
    assert attempts.again(TAG, NOW + 3_600_000) is Again.WAIT
    attempts.see([], NOW + 2_000)
    assert attempts.again(TAG, NOW + 3_600_000) is Again.SEND


def test_placement_when_the_book_shows_it_then_it_is_closed() -> None:
    attempts = unknown()
    assert attempts.exits_qty("INFY", but="") == 85
    assert attempts.exits_qty("INFY", but=TAG) == 0
    attempts.see([TAG], NOW + 1_000)
    assert attempts.again(TAG, NOW) is Again.SEND
    assert attempts.exits_qty("INFY", but="") == 0


@pytest.mark.parametrize(
    ("product", "role", "seconds"),
    [
        (Product.MIS, Role.ENTRY, 60),
        (Product.MIS, Role.STOP_LOSS, 25),
        (Product.CNC, Role.STOP_LOSS, 10),
    ],
)
def test_placement_when_accepted_but_not_shown_then_it_is_done_for_a_while(
    product: Product, role: Role, seconds: int
) -> None:
    attempts = unknown(product, role, order_id="199")
    read_often(attempts, 60)
    assert attempts.order_id(TAG) == "199"
    assert attempts.again(TAG, NOW + seconds * 1_000 - 1) is Again.DONE
    assert attempts.again(TAG, NOW + seconds * 1_000) is Again.SEND


def test_placement_when_refused_then_it_may_leave_at_once() -> None:
    attempts = unknown()
    attempts.drop(TAG)
    assert attempts.again(TAG, NOW) is Again.SEND
    assert attempts.order_id(TAG) == ""


def test_exits_when_an_entry_is_unknown_then_nothing_is_on_sale() -> None:
    assert unknown(role=Role.ENTRY).exits_qty("INFY", but="") == 0
    assert unknown().exits_qty("SBIN", but="") == 0
