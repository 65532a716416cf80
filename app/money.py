"""Credits: whole micro-credits inside (`int`, unit 10⁻⁶), exact decimal strings outside, no float anywhere."""

import re
from decimal import Decimal

from app.errors import Invalid
from app.settings import Settings

MICRO = 1_000_000
MAX_MICRO = 10**18
UNLIMITED = -1
DISABLED = 0

NO_DECIMALS = (
    *("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA"),
    *("PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"),
)
THREE_DECIMALS = ("BHD", "JOD", "KWD", "OMR", "TND")
# How many decimals Stripe's amounts have where they have not two (https://docs.stripe.com/currencies).
_DECIMALS = dict.fromkeys(NO_DECIMALS, 0) | dict.fromkeys(THREE_DECIMALS, 3)

_DECIMAL = re.compile(r"-?[0-9]{1,13}(\.[0-9]{1,6})?", re.ASCII)


def credits_text(micro: int) -> str:
    """Show micro-credits as a decimal string with six places: 1500000 → "1.500000"."""
    sign = "-" if micro < 0 else ""
    whole, rest = divmod(abs(micro), MICRO)
    return f"{sign}{whole}.{rest:06d}"


def parse_credits(text: object, field: str = "credits") -> int:
    """Read a decimal string as micro-credits. Raises `Invalid` unless exact to six places and in bounds."""
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
        raise Invalid(**{field: 'Write an exact number of credits as text, such as "12.5".'})
    micro = int(Decimal(text).scaleb(6))
    if abs(micro) > MAX_MICRO:
        raise Invalid(**{field: "This is more than 1,000,000,000,000 credits."})
    return micro


def quota_text(quota: int) -> str:
    """Show a stored quota: "-1" for no limit, "0" for none at all, else credits such as "12.5"."""
    if quota in (UNLIMITED, DISABLED):
        return str(quota)
    whole, rest = divmod(quota, MICRO)
    return f"{whole}.{rest:06d}".rstrip("0") if rest else str(whole)


def parse_quota(text: object, field: str = "quota") -> int:
    """Read a quota. Raises `Invalid` unless it is a positive number of credits, "-1" or "0"."""
    try:
        micro = parse_credits(str(text) if type(text) is int else text, field)
    except Invalid:
        raise Invalid(
            **{field: 'Write a number of credits, "-1" for no limit or "0" for none at all.'}
        ) from None
    if micro == UNLIMITED * MICRO:
        return UNLIMITED
    if micro < 0:
        raise Invalid(**{field: 'A quota is positive, "-1" for no limit or "0" for none at all.'})
    return micro


def short_credits(micro: int) -> str:
    """Show micro-credits for people, without zeros that say nothing: 1500000 → "1.5"."""
    whole, _, rest = credits_text(micro).partition(".")
    return f"{whole}.{rest}".rstrip("0").rstrip(".")


def money_text(minor: int, currency: str) -> str:
    """Show an amount that stands in a currency's smallest unit: 1250, "USD" → "12.50"."""
    decimals = _DECIMALS.get(currency.upper(), 2)
    return f"{Decimal(minor).scaleb(-decimals):f}"


def price_of(micro: int, currency: str, currency_per_unit: str) -> int | None:
    """Tell what credits cost, in the currency's smallest unit; None where that is no whole number."""
    decimals = _DECIMALS.get(currency.upper(), 2)
    price = Decimal(micro).scaleb(-6) * Decimal(currency_per_unit).scaleb(decimals)
    return int(price) if price == price.to_integral_value() else None


def price_of_top_up(settings: Settings, micro: int) -> int:
    """Tell what it costs to buy credits. Raises `Invalid` for amounts out of bounds, or that no coin pays."""
    least, most = settings.top_up_least, settings.top_up_most
    if not least * MICRO <= micro <= most * MICRO:
        raise Invalid(credits=f"Buy {least} to {most:,} credits at a time.")
    price = price_of(micro, settings.currency, settings.currency_per_unit)
    if price is None:
        raise Invalid(credits="Buy an amount that costs whole cents.")
    return price
