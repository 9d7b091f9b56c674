"""Ten thousand decisions, sound and not, in any order: each accepted one ends once, none twice."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import msgspec

from controller.decisions import DecisionConflict
from machines.decision import ENDED, Kind, Order, Standing
from machines.invariants import hold
from tests.controller.stepping import HELD, Stepped, plan, write_bars

DECISIONS = 10_000
LADDERS = 20
BATCHES = 20
EXECUTING = Standing.EXECUTING.value
NAMES = tuple(f"btc-{n}" for n in range(1, LADDERS + 1))
MALFORMED: tuple[dict[str, object], ...] = (
    {"fraction": "2"}, {"fraction": "NaN"}, {"kind": "dance"}, {"price": "5"}, {"by": ""},
    {"colour": "red"}, {"expires_ms": -1}, {"id": 7},
)  # fmt: skip


class Flood:
    """Bodies drawn by a seed: what a careless crowd of rules and persons would send."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.bodies: list[dict[str, object]] = []

    def body(self, number: int, now_ms: int) -> dict[str, object]:
        draw = self.draw
        kind = draw.choices(list(Kind), (50, 15, 30, 0.1, 10, 0.1))[0]
        figure = {
            Kind.BOOK: {"fraction": draw.choice(("0.5", "0.01", "0.0001"))},
            Kind.SCALE_IN: {"fraction": draw.choice(("0.05", "1"))},
            Kind.MOVE_STOP: {"price": str(draw.randint(85_000, 105_000))},
        }.get(kind, {})
        body: dict[str, object] = {
            "id": f"d{number}",
            "ladder": draw.choice(NAMES) if draw.random() < 0.98 else "nobody",
            "kind": kind.value,
            "by": draw.choice(("person", "RULE")),
            "priority": draw.randrange(3),
            **figure,
        }
        if draw.random() < 0.1:
            body["expires_ms"] = now_ms + draw.choice((-1, 1, 12_000, 40_000))
        if draw.random() < 0.1:
            body["expect_version"] = draw.randrange(60)
        return body

    def batch(self, size: int, now_ms: int) -> list[dict[str, object]]:
        """Draw new ones, some again, some again with another body, some that make no sense."""
        found: list[dict[str, object]] = []
        for _ in range(size):
            chance = self.draw.random()
            if self.bodies and chance < 0.15:
                body = self.draw.choice(self.bodies)
                if chance < 0.05:
                    body = {**body, "reason": "another"}
            elif chance < 0.2:
                body = {**self.body(-1, now_ms), "kind": "book", "fraction": "0.5"}
                body = body | self.draw.choice(MALFORMED)
            else:
                body = self.body(len(self.bodies), now_ms)
                self.bodies.append(body)
            found.append(body)
        self.draw.shuffle(found)
        return found


def say(desk: Stepped, body: dict[str, object]) -> str:
    """Send one body as it would arrive; return what the sender was told."""
    try:
        order = msgspec.json.decode(msgspec.json.encode(body), type=Order)
        desk.keeper.decide(order, desk.now_ms)
    except msgspec.ValidationError:
        return "malformed"
    except DecisionConflict:
        return "conflict"
    return "accepted"


def test_decisions_when_ten_thousand_arrive_in_any_order_then_each_ends_once(
    tmp_path: Path,
) -> None:
    draw = random.Random(7)
    closes, px = ["100000"], 100_000
    for _ in range(4 * BATCHES):
        px += draw.randint(-400, 400)
        closes.append(str(px))
    write_bars(tmp_path, closes)
    desk = Stepped(HELD + "".join(map(plan, NAMES)), tmp_path)
    flood, answers = Flood(1), Counter[str]()
    for n in range(BATCHES):
        for body in flood.batch(DECISIONS // BATCHES, desk.now_ms):
            answers[say(desk, body)] += 1
        if n % 5 == 4:
            desk.restart()
        desk.poll()
    accepted = {str(body["id"]) for body in flood.bodies if desk.journal.decision(str(body["id"]))}
    for name in NAMES:
        say(desk, {"id": f"out-{name}", "ladder": name, "kind": "exit", "by": "person"})
    desk.poll(times=4)

    assert answers.total() == DECISIONS
    assert min(answers.values()) > 300, answers
    assert desk.keeper.decisions.open == {}
    endings = Counter(
        str(record.data["id"])
        for record in desk.records("decision")
        if Standing(str(record.data["state"])) in ENDED
    )
    assert set(endings.values()) == {1}
    taken = Counter(r.data["id"] for r in desk.records("decision") if r.data["state"] == EXECUTING)
    assert set(taken.values()) == {1}
    assert accepted <= endings.keys()
    told = Counter(desk.ended(name) for name in accepted)
    assert {"DONE", "EXPIRED", "REFUSED stale", "REFUSED too_small", "REFUSED behind_market",
            "REFUSED unknown_ladder", "REFUSED max_qty"} <= told.keys()  # fmt: skip
    assert any(word.startswith("SUPERSEDED") for word in told)
    for kept in desk.keeper.kept.values():
        hold(kept.ladder)
    desk.close()
