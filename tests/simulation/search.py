"""Looks at every state that can be reached, nearest first, so that a trace is a shortest one."""

from collections import deque

import msgspec

from machines.ladder import State
from tests.simulation import laws, tiny
from tests.simulation.model import Model, Node, Way

MOST_CALM_STEPS = 400
"""Undisturbed, everything comes to rest long before."""


class Found(msgspec.Struct, frozen=True):
    """What a search came to. *Shape*: ``trace`` is empty when nothing is wrong."""

    states: int
    ways: int
    depth: int
    complete: bool
    trace: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join([f"{self.states} states", *self.trace])


class Search:
    """One search through one model."""

    def __init__(self, model: Model, most: int | None = None, rests: bool = True) -> None:
        self.model = model
        self.most = most
        self.rests = rests
        self.came_from: dict[Node, Node | None] = {}
        self._restful: set[Node] = set()

    def run(self) -> Found:
        """Go through all states, or until one is wrong, or until there are ``most`` of them."""
        start = self.model.start()
        if start.wrong:
            return self._found(0, 0, [start.what], start.wrong)
        self.came_from[start.to] = None
        layer, depth, ways = deque([start.to]), 0, 0
        while layer:
            following: deque[Node] = deque()
            for node in layer:
                for way in self.model.ways(node):
                    ways += 1
                    wrong = way.wrong
                    if not wrong:
                        if way.to in self.came_from:
                            continue
                        self.came_from[way.to] = node
                        wrong = self.model.wrong(way.to)
                        following.append(way.to)
                    if wrong:
                        return self._found(ways, depth + 1, [*self._told(node), way.what], wrong)
                    unrest = self.unrest(way.to) if self.rests else []
                    if unrest:
                        trace = [*self._told(node), way.what, *unrest[:-1]]
                        return self._found(ways, depth + 1, trace, unrest[-1])
                if self.most is not None and len(self.came_from) >= self.most:
                    return Found(len(self.came_from), ways, depth, complete=False)
            layer, depth = following, depth + 1
        return Found(len(self.came_from), ways, depth, complete=True)

    def _found(self, ways: int, depth: int, trace: list[str], wrong: str) -> Found:
        lines = [*(f"{k:3}  {what}" for k, what in enumerate(trace)), f"  => {wrong}"]
        # The prefix that leads every order id of the ladder says nothing to a reader.
        prefix = self.model.ladders[0].terms.prefix
        lines = [line.replace(prefix, "") for line in lines]
        return Found(len(self.came_from), ways, depth, False, tuple(lines))

    def _told(self, node: Node) -> list[str]:
        """Tell how a state was come to, from the beginning."""
        told: list[str] = []
        before = self.came_from[node]
        while before is not None:
            told.append(next(way.what for way in self.model.ways(before) if way.to == node))
            node, before = before, self.came_from[before]
        return [self.model.start().what, *reversed(told)]

    # ------------------------------------------------------------------------------- liveness

    def unrest(self, node: Node) -> list[str]:
        """Let nothing go wrong any more: return what then keeps it from resting, told, or nothing.

        Also from rest, the stop or the entries' end must close the ladder.
        """
        node = node._replace(held_back=None, budget=())
        known: list[Node] = []
        told: list[str] = []
        for _ in range(MOST_CALM_STEPS):
            if node in self._restful:
                break
            known.append(node)
            way = self._calm(node)
            if way is None:
                wrong = self._at_rest(node)
                if wrong:
                    return [*told, wrong]
                break
            told.append(f"then {way.what}")
            if way.wrong:
                return [*told, way.wrong]
            node = way.to
        else:
            return [*told[-12:], "it never comes to rest"]
        self._restful.update(known)
        return []

    def _calm(self, node: Node) -> Way | None:
        """Return the one way on when nothing goes wrong, or None at rest."""
        model = self.model
        if node.queue:
            return next(model.sends(node))
        for what, venue in model.sell(node.venue):
            return Way(what, node._replace(venue=venue))
        for way in (*model.poll(node), *model.wait(node)):
            if way.wrong or way.to != node:
                return way
        return None

    def _at_rest(self, node: Node) -> str:
        model = self.model
        ladder, venue = model.ladders[node.ladder], model.venues[node.venue]
        wrong = laws.at_rest(model.setup, ladder, venue)
        if wrong or ladder.state is State.CLOSED:
            return wrong
        end = node._replace(venue=model.venues.number(tiny.over(model.setup, venue)))
        unrest = self.unrest(end)
        if unrest:
            return "; ".join(["at rest and ended:", *unrest])
        while (way := self._calm(end)) is not None:
            end = way.to
        closed = model.ladders[end.ladder].state is State.CLOSED
        return "" if closed else "it does not close when it should"
