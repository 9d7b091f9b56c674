"""What Kite's order management refuses at once, in Kite's words. *Source*: the venue sheet §3.1,
§6, §7, §11, §15. Pure."""

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from machines.words import Instrument

REGULAR = "regular"
MODIFY_FIELDS = frozenset(
    {
        *("variety", "order_id", "parent_order_id", "quantity", "price", "order_type"),
        *("trigger_price", "validity", "disclosed_quantity", "market_protection"),
    }
)
PLACE_FIELDS = (MODIFY_FIELDS - {"order_id", "parent_order_id"}) | {
    *("exchange", "tradingsymbol", "transaction_type", "product", "validity_ttl", "tag"),
}
TYPES = ("MARKET", "LIMIT", "SL", "SL-M")
NO_STOCK = (
    "Insufficient stock holding or there are pending sell orders for this stock. "
    "Check the orderbook."
)
NO_PROTECTION = (
    "Market orders without market protection are not allowed via API. "
    "Please set market protection or use a Limit order."
)
CIRCUIT = "Price exceeds circuit limits for the instrument. Place an order within the daily range."
CLOSED = "Your order could not be placed because the market is closed. Use AMO."
SPENT = "Maximum allowed order modifications exceeded."


class Refused(Exception):
    """An answer other than success."""

    def __init__(self, message: str, kind: str = "InputException", code: int = 400) -> None:
        super().__init__(message)
        self.message, self.kind, self.code = message, kind, code


@dataclass
class Quirks:
    """What nobody has documented, as switches: tests run both ways."""

    latency_ms: int = 0
    """From an accepted request to its effect at the exchange."""
    book_lag_ms: int = 0
    """How long a new order is missing from the book."""
    position_lag_ms: int = 0
    """How long positions show what they were."""
    refuses_late: bool = False
    """Holdings and triggers are judged after a 200, and end as REJECTED."""
    converts: bool = True
    """SL may become LIMIT or MARKET."""
    protected_as_limit: bool = False
    """A protected market order is shown as LIMIT."""
    tags_protected: bool = True
    """... and tagged ``mktp``."""
    spent_code: int = 429
    """Status of the 26th modification's refusal."""
    whole_quantity: bool = True
    """On a partly filled order ``quantity`` is the total, else the rest."""
    gross_holdings: bool = True
    """A sale shows as used quantity and leaves ``quantity`` as it was."""
    quotes: bool = True
    """The account's plan has quotes."""
    funds: Decimal = field(default=Decimal(10) ** 9)


@dataclass
class Form:
    """An order request's fields, read strictly."""

    order_type: str
    quantity: Decimal
    price: Decimal
    trigger: Decimal
    protection: Decimal


def number(fields: dict[str, str], name: str, default: str = "0") -> Decimal:
    written = fields.get(name, default)
    try:
        value = Decimal(written)
    except InvalidOperation:
        raise Refused(f"failed to decode {name}, got: {written} (expected decimal)") from None
    if not value.is_finite() or "E" in written.upper() or "_" in written:
        raise Refused(f"failed to decode {name}, got: {written} (expected decimal)")
    return value


def known(fields: dict[str, str], allowed: frozenset[str]) -> None:
    """Refuse parameters that do not exist: a misspelt one would be passed over at Kite."""
    strange = sorted(set(fields) - allowed)
    if strange:
        raise Refused(f"unknown parameters: {', '.join(strange)}")


def check_form(form: Form, instrument: Instrument, exchange: str, option: bool) -> None:
    """Refuse what is off the grid, missing or blocked."""
    if form.order_type not in TYPES:
        raise Refused(f"Invalid `order_type`: {form.order_type}")
    if form.quantity <= 0 or form.quantity % instrument.step:
        raise Refused(f"Quantity should be in multiples of {instrument.step}, the lot size.")
    limited = form.order_type in ("LIMIT", "SL")
    triggered = form.order_type in ("SL", "SL-M")
    if limited and form.price <= 0:
        raise Refused("Missing or invalid `price`.")
    if triggered and form.trigger <= 0:
        raise Refused("Missing or invalid `trigger_price`.")
    if limited and form.price % instrument.tick:
        raise Refused(f"Price should be a multiple of tick size {instrument.tick}")
    if triggered and form.trigger % instrument.tick:
        raise Refused("16316 : The trigger price is not a multiple of tick size")
    if not limited and not (form.protection == -1 or 0 < form.protection <= 100):
        raise Refused(NO_PROTECTION)
    if form.order_type == "SL-M" and (exchange == "BSE" or option):
        raise Refused("SL-M orders are blocked for this instrument. Use SL.")


def check_prices(form: Form, side: str, low: Decimal, high: Decimal) -> None:
    """Refuse prices beyond the circuit, and a stop's limit on the wrong side of its trigger."""
    if form.order_type in ("LIMIT", "SL") and not low <= form.price <= high:
        raise Refused(CIRCUIT)
    if form.order_type != "SL":
        return
    wrong = form.price > form.trigger if side == "SELL" else form.price < form.trigger
    if wrong:
        raise Refused("Trigger price and price of a stoploss order are on the wrong sides.")


def trigger_refusal(form: Form, side: str, last: Decimal) -> str:
    """Say why a stop cannot wait: the last price has passed it. Empty when it can."""
    if form.order_type not in ("SL", "SL-M"):
        return ""
    if side == "SELL" and form.trigger >= last:
        return "Trigger price for stoploss sell orders should be lower than the last traded price."
    if side == "BUY" and form.trigger <= last:
        return "Trigger price for stoploss buy orders should be higher than the last traded price."
    return ""
