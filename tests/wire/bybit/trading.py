"""The loopback venue's requests that change something, as strict as the venue and stricter.

*Source*: venues/bybit.md §3.2 to §3.4, §3.10, §4, §9.2.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec

from exchanges.simulated.state import Working
from machines.words import (
    AmendOrder,
    CancelOrder,
    Instrument,
    Key,
    OrderType,
    Outcome,
    OutcomeKind,
    PlaceOrder,
    Refusal,
    Role,
    SetStop,
    Side,
    plain,
)
from tests.wire.bybit import params
from tests.wire.bybit.exchange import ACCOUNT, Exchange
from tests.wire.bybit.params import Args, Err
from tests.wire.bybit.rows import INDEX, Row

ZERO = Decimal(0)
SLOTS = {index: slot for slot, index in INDEX.items()}
Result = tuple[object, object]
_WRONG_SIDE = (
    "StopLoss:{px} set for {side} position should {word} than base_price:{last}??LastPrice"
)


class Trading:
    """The requests of one venue; each takes its parameters and returns result and extra."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.rules = exchange.rules

    # ---------------------------------------------------------------------------------- single

    def create(self, args: Args) -> Result:
        return self._place(_linear(args)), {}

    def amend(self, args: Args) -> Result:
        return self._amend(_linear(args), batch=False), {}

    def cancel(self, args: Args) -> Result:
        return self._cancel(_linear(args)), {}

    # ----------------------------------------------------------------------------------- batch

    def create_batch(self, args: Args) -> Result:
        return self._batch(args, self._place, {"createAt": str(self.exchange.now_ms())})

    def amend_batch(self, args: Args) -> Result:
        return self._batch(args, lambda item: self._amend(item, batch=True), {})

    def cancel_batch(self, args: Args) -> Result:
        return self._batch(args, self._cancel, {})

    def _batch(self, args: Args, do: Callable[[Args], Row], good: Row) -> Result:
        if args.keys() - {"category", "request"} or args.get("category") != "linear":
            raise Err(10001, "loopback: a batch has a category and a request")
        items = args.get("request")
        if not isinstance(items, list) or not 1 <= len(items) <= 20:
            raise Err(10001, "params error: request has 1 to 20 items")
        shown: list[Row] = []
        codes: list[Row] = []
        for item in items:
            try:
                shown.append({"category": "linear", "symbol": item["symbol"], **do(item), **good})
                codes.append({"code": 0, "msg": "OK"})
            except Err as error:
                name = item.get("orderLinkId", "")
                shown.append({"category": "linear", "orderId": "", "orderLinkId": name})
                codes.append({"code": error.code, "msg": error.text})
        return {"list": shown}, {"list": codes}

    # ------------------------------------------------------------------------------------ place

    def _place(self, args: Args) -> Row:
        params.allow(args, params.PLACE)
        exchange, (key, instrument) = self.exchange, self._key(args)
        side = Side.BUY if params.text(args, "side", "Buy", "Sell") == "Buy" else Side.SELL
        limit = params.text(args, "orderType", "Limit", "Market") == "Limit"
        trigger_px = params.price(args, "triggerPrice", instrument)
        asked = PlaceOrder(
            key,
            params.text(args, "orderLinkId"),
            *(Role.ENTRY, 0, side),
            OrderType.LIMIT
            if limit
            else OrderType.STOP_MARKET
            if trigger_px is not None
            else OrderType.MARKET,
            params.qty(args, instrument),
            params.price(args, "price", instrument) if limit else None,
            trigger_px,
            bool(args.get("reduceOnly", False)),
        )
        stop_loss = params.price(args, "stopLoss", instrument)
        self._check(asked, args, instrument, stop_loss)
        meta = exchange.new_meta(key, asked.client_order_id)
        meta.stop_loss = stop_loss
        meta.close_on_trigger = bool(args.get("closeOnTrigger", False))
        direction = args.get("triggerDirection", 0)
        assert isinstance(direction, int)
        meta.direction = direction
        exchange.metas[asked.client_order_id] = meta
        exchange.by_order_id[meta.order_id] = asked.client_order_id
        depth = self.rules.depth.get(key.symbol)
        if asked.type is OrderType.MARKET and depth is not None and asked.qty > depth:
            meta.asked_qty, meta.status = asked.qty, "Cancelled"
            meta.reject_reason = "EC_NoImmediateQtyToFill"
            asked = msgspec.structs.replace(asked, qty=depth)
        outcome = exchange.handle(asked)
        if outcome.kind is not OutcomeKind.ACCEPTED:
            del exchange.metas[asked.client_order_id]
            _refuse(outcome)
        return {"orderId": meta.order_id, "orderLinkId": asked.client_order_id}

    def _check(
        self, asked: PlaceOrder, args: Args, instrument: Instrument, stop_loss: Decimal | None
    ) -> None:
        """Check in the venue's order (§9.2)."""
        exchange, name = self.exchange, asked.client_order_id
        if asked.type is OrderType.LIMIT and asked.price is None:
            raise Err(10001, "params error: price missing")
        last = exchange.last(asked.key.symbol)
        value = asked.qty * (asked.price or asked.trigger_px or last)
        if value < instrument.min_notional and not (asked.reduce_only and self.rules.small_closes):
            raise Err(110094, "Order does not meet minimum order value 5USDT")
        if len(name) > 36:
            raise Err(10001, "params error: orderLinkId too long")
        if name in exchange.engine.account.ids:
            raise Err(110072, "OrderLinkedID is duplicate")
        self._check_trigger(asked, args, last)
        book = exchange.engine.book(asked.key)
        live = [] if book is None else list(book.live.values())
        stops = sum(working.is_stop for working in live)
        if asked.trigger_px is not None and stops >= self.rules.conditional_limit:
            raise Err(110009, "The number of stop orders exceeds the maximum allowable limit")
        if asked.trigger_px is None and len(live) - stops >= self.rules.active_limit:
            raise Err(110020, "Not allowed to have more than 500 active orders")
        if asked.reduce_only and (stop_loss is not None or args.get("takeProfit")):
            raise Err(110057, "reduce-only orders carry no TP/SL")
        conditional = asked.trigger_px is not None
        if asked.reduce_only and not conditional and not self._reducible(asked.key, asked.side):
            raise Err(110017, "current position is zero, cannot fix reduce-only order qty")
        if stop_loss is not None:
            params.text(args, "tpslMode", "Full")
            reference = asked.price or last
            wrong = stop_loss >= reference if asked.side is Side.BUY else stop_loss <= reference
            if wrong:
                raise Err(10001, "StopLoss set for Buy order should lower than base_price")

    def _check_trigger(self, asked: PlaceOrder, args: Args, last: Decimal) -> None:
        px, direction = asked.trigger_px, args.get("triggerDirection", 0)
        if (px is None) is (direction in (1, 2)):
            raise Err(10001, "params error: triggerDirection")
        if px is None:
            return
        if direction == 1 and px <= last:
            raise Err(110092, "expect Rising, but trigger_price <= current")
        if direction == 2 and px >= last:
            raise Err(110093, "expect Falling, but trigger_price >= current")

    def _reducible(self, key: Key, side: Side) -> Decimal:
        book = self.exchange.engine.book(key)
        return ZERO if book is None or not self._visible(key) else book.reducible(side)

    def _visible(self, key: Key) -> bool:
        """Tell whether requests see a position yet."""
        age_ms = self.exchange.now_ms() - self.exchange.opened_ms.get(key, 0)
        return age_ms >= self.rules.visible_position_ms

    # ------------------------------------------------------------------------- amend and cancel

    def _amend(self, args: Args, *, batch: bool) -> Row:
        params.allow(args, params.AMEND)
        key, instrument = self._key({**args, "positionIdx": None})
        name, working = self._find(args, "replace")
        order, meta = working.order, self.exchange.metas[name]
        assert order is not None
        if batch and working.is_stop:
            raise Err(10001, "loopback: conditional orders are not amended in batches")
        px = params.price(args, "triggerPrice" if working.is_stop else "price", instrument)
        if {"price", "triggerPrice"} & args.keys() and px is None:
            raise Err(10001, "params error: the price does not fit the order")
        qty = params.qty(args, instrument) if "qty" in args else order.qty
        if order.filled_qty and qty <= order.filled_qty:
            raise Err(110064, "The order quantity cannot be less than or equal to the filled")
        stop_loss = params.price(args, "stopLoss", instrument)
        attached = "stopLoss" in args and stop_loss != meta.stop_loss
        if attached and order.filled_qty:
            raise Err(110059, "Cannot modify TP/SL of a partially filled order")
        if px in (None, working.px) and qty == order.qty and not attached:
            raise Err(
                10001,
                "The order remains unchanged as the parameters entered match the existing ones.",
            )
        if px is not None and working.is_stop:
            last = self.exchange.last(meta.symbol)
            if (px >= last) is (order.side is Side.SELL):
                raise Err(110092 if order.side is Side.BUY else 110093, "trigger passed")
        meta.updated_ms = self.exchange.now_ms()
        if attached:
            meta.stop_loss = stop_loss
            self.exchange.engine.changed.add(working.slot)
        limit, trigger_px = (None, px) if working.is_stop else (px, None)
        key = Key(ACCOUNT, meta.symbol, meta.slot)
        asked = AmendOrder(key, name, Role.ENTRY, 0, order.type, qty, limit, trigger_px)
        outcome = self.exchange.handle(asked)
        if outcome.kind is OutcomeKind.REFUSED:
            _refuse(outcome)
        self.exchange.settle()
        return {"orderId": meta.order_id, "orderLinkId": meta.link_id}

    def _cancel(self, args: Args) -> Row:
        params.allow(args, params.CANCEL)
        name, working = self._find(args, "cancel")
        meta = self.exchange.metas[name]
        meta.cancel_type = "CancelByUser"
        if working.is_stop and self.rules.deactivated:
            meta.status = "Deactivated"
        key = Key(ACCOUNT, meta.symbol, meta.slot)
        self.exchange.handle(CancelOrder(key, name, Role.ENTRY, 0))
        return {"orderId": meta.order_id, "orderLinkId": meta.link_id}

    def _find(self, args: Args, what: str) -> tuple[str, Working]:
        """Find a resting order by one of its ids."""
        params.text(args, "symbol")
        name = str(args.get("orderLinkId", ""))
        if "orderId" in args:
            name = self.exchange.by_order_id.get(str(args["orderId"]), "")
        working = self.exchange.working(name)
        if working is None or working.order is None:
            raise Err(110001, f"order not exists or too late to {what}")
        return name, working

    # ---------------------------------------------------------------------------- trading-stop

    def trading_stop(self, args: Args) -> Result:
        params.allow(args, params.TRADING_STOP)
        _linear(args)
        key, instrument = self._key(args)
        params.text(args, "tpslMode", "Full")  # Partial appends: the adapter must never ask for it
        book = self.exchange.engine.book(key)
        if book is None or not book.net_qty or not self._visible(key):
            raise Err(10001, "can not set tp/sl/ts for zero position")
        px = params.price(args, "stopLoss", instrument)
        if px is None:
            if not self.exchange.engine.drop_stop(key):
                raise Err(34040, "not modified")
            self.exchange.settle()
            return {}, {}
        outcome = self.exchange.handle(SetStop(key, px, ZERO))
        if outcome.kind is OutcomeKind.ALREADY_DONE:
            raise Err(34040, "not modified")
        if outcome.refusal is Refusal.BEHIND_MARKET:
            side, word = ("Buy", "lower") if book.net_qty > 0 else ("Sell", "greater")
            last = plain(self.exchange.last(key.symbol))
            raise Err(10001, _WRONG_SIDE.format(px=plain(px), side=side, word=word, last=last))
        _refuse(outcome)
        return {}, {}

    # -------------------------------------------------------------------------------- what else

    def _key(self, args: Args) -> tuple[Key, Instrument]:
        symbol = params.text(args, "symbol")
        instrument = self.rules.instruments.get(symbol)
        if instrument is None:
            raise Err(10001, f"params error: symbol invalid {symbol}")
        index = args.get("positionIdx", 0)
        if index is None:
            return Key(ACCOUNT, symbol), instrument
        if index not in SLOTS or bool(index) is not self.rules.hedge:
            raise Err(10001, "position idx not match position mode")
        assert isinstance(index, int)
        return Key(ACCOUNT, symbol, SLOTS[index]), instrument


def _linear(args: Args) -> Args:
    if args.get("category") != "linear":
        raise Err(10001, "params error: category")
    return {name: value for name, value in args.items() if name != "category"}


def _refuse(outcome: Outcome) -> None:
    """Answer what the engine still found wrong: the checks above should have found it."""
    if outcome.kind is OutcomeKind.REFUSED:
        raise Err(10001, f"loopback: {outcome.text}")
