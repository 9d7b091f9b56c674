"""What a decision may say: its body, as whoever makes it writes it."""

from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace

from machines.decision import (
    PRIORITIES,
    TRIGGERS,
    InvalidDecision,
    Kind,
    Order,
    Priority,
    Reason,
    as_event,
)


@pytest.mark.parametrize("kind", Kind)
def test_event_when_made_of_a_decision_then_carries_all_of_it(kind: Kind) -> None:
    order = SOUND[kind]
    event = as_event(replace(order, expect_version=7), 5)
    assert event.trigger is TRIGGERS[kind]
    assert (event.decision, event.reason, event.by_person) == ("d", "why", False)
    assert (event.fraction, event.price) == (order.fraction, order.price)
    assert (event.qty, event.expect_version) == (order.qty or Decimal(0), 7)


def sound(kind: Kind, **more: Decimal) -> Order:
    return Order(id="d", ladder="btc-1", kind=kind, by="RULE", reason="why", **more)  # pyright: ignore[reportArgumentType]  # figures only


SOUND = {
    Kind.BOOK: sound(Kind.BOOK, fraction=Decimal("0.5")),
    Kind.SCALE_IN: sound(Kind.SCALE_IN, qty=Decimal(10)),
    Kind.MOVE_STOP: sound(Kind.MOVE_STOP, price=Decimal(100)),
    Kind.EXIT: sound(Kind.EXIT),
    Kind.REBALANCE: sound(Kind.REBALANCE),
    Kind.RELEASE: sound(Kind.RELEASE),
}


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"kind": "book"}, "decision d: book takes fraction"),
        ({"kind": "book", "fraction": "0"}, "fraction = 0: more than 0 and at most 1 is allowed"),
        ({"kind": "book", "fraction": "1.01"}, "fraction = 1.01: more than 0 and at most 1"),
        ({"kind": "book", "fraction": "-0.5"}, "fraction = -0.5: more than 0"),
        ({"kind": "book", "fraction": "NaN"}, "fraction = NaN: more than 0"),
        ({"kind": "book", "qty": "5"}, "qty is given, book takes fraction; book takes fraction"),
        ({"kind": "scale_in"}, "scale_in takes fraction or qty"),
        ({"kind": "scale_in", "qty": "1", "fraction": "0.5"}, "scale_in takes fraction or qty"),
        ({"kind": "scale_in", "qty": "Infinity"}, "qty = Infinity: more than 0 is allowed"),
        ({"kind": "move_stop"}, "move_stop takes price"),
        ({"kind": "move_stop", "price": "0"}, "price = 0: more than 0 is allowed"),
        ({"kind": "exit", "price": "5"}, "price is given, exit takes none"),
        ({"kind": "exit", "ladder": ""}, "ladder is empty"),
        ({"kind": "exit", "by": ""}, "by is empty"),
        ({"kind": "exit", "id": ""}, "id is empty"),
        ({"kind": "exit", "expires_ms": -1}, "expires_ms = -1: UTC ms, or 0 for never"),
    ],
)
def test_order_when_it_makes_no_sense_then_is_refused_by_name(
    body: dict[str, object], fault: str
) -> None:
    whole = {"id": "d", "ladder": "btc-1", "by": "person", **body}
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(msgspec.json.encode(whole), type=Order)
    assert fault in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":"d","ladder":"btc-1","kind":"exit","by":"person","colour":"red"}',
        b'{"id":"d","ladder":"btc-1","kind":"dance","by":"person"}',
        b'{"id":"d","ladder":"btc-1","kind":"exit"}',
        b'{"id":7,"ladder":"btc-1","kind":"exit","by":"person"}',
        b'{"id":"d","ladder":"btc-1","kind":"exit","by":"person","priority":9}',
    ],
)
def test_order_when_its_body_is_malformed_then_is_not_read(body: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=Order)


def test_order_when_several_things_are_wrong_then_all_are_told() -> None:
    with pytest.raises(InvalidDecision) as caught:
        Order(id="", ladder="", kind=Kind.BOOK, by="person", price=Decimal(-1))
    faults = (
        "id is empty; ladder is empty; price is given, book takes fraction; book takes fraction"
    )
    assert str(caught.value) == f"decision : {faults}"


@pytest.mark.parametrize("kind", Kind)
def test_order_when_written_and_read_then_is_the_same(kind: Kind) -> None:
    order = SOUND[kind]
    assert msgspec.json.decode(msgspec.json.encode(order), type=Order) == order
    assert PRIORITIES[kind] in Priority


def test_reasons_when_spoken_then_are_one_word_each() -> None:
    assert [word for word in Reason if not word.replace("_", "").isalnum()] == []
