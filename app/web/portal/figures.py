"""Figures of usage as people read them: compact counts, changes in percent, what a chart shows of sums. Pure."""

from app.resolvers.usage import UsageTotals
from app.resolvers.usage_overviews import Figure
from app.web.words import exact, rounded

THIN = "\N{NARROW NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
_UNITS = ((10**3, "k"), (10**6, "M"), (10**9, "B"), (10**12, "T"), (10**15, "Q"))
TENTHS_OF_A_THOUSAND = 10_000
PLAIN_UP_TO = 10_000
TENFOLD = 10
UNITS = {Figure.CREDITS: "credits", Figure.TOKENS: "tokens", Figure.REQUESTS: "requests"}


def compact(number: int) -> str:
    """Write a count in few characters: 9,999; 12.3 k; 91.2 M."""
    sign, size = (MINUS if number < 0 else ""), abs(number)
    if size < PLAIN_UP_TO:
        return f"{sign}{size:,}"
    unit, letter = next(
        (one for one in _UNITS if _tenths(size, one[0]) < TENTHS_OF_A_THOUSAND), _UNITS[-1]
    )
    whole, tenth = divmod(_tenths(size, unit), 10)
    return f"{sign}{whole:,}{f'.{tenth}' if tenth else ''}{THIN}{letter}"


def _tenths(size: int, unit: int) -> int:
    return (size * 10 + unit // 2) // unit


def tick_text(value: int, figure: Figure) -> str:
    """Write a round value of an axis, in the shortest form that is exact."""
    if figure is not Figure.CREDITS:
        return compact(value)
    whole, rest = divmod(value, 10**6)
    if rest:
        return f"{whole}.{rest:06d}".rstrip("0")
    return compact(whole)


def value_of(totals: UsageTotals, figure: Figure) -> int:
    """Give what a chart of this figure shows: micro-credits, tokens in and out, or calls."""
    if figure is Figure.CREDITS:
        return totals.cost_micro
    if figure is Figure.REQUESTS:
        return totals.requests
    return totals.prompt_tokens + totals.completion_tokens


def text_of(value: int, figure: Figure) -> str:
    """Write such a value for the eye."""
    return rounded(value) if figure is Figure.CREDITS else compact(value)


def exact_text(value: int, figure: Figure) -> str:
    """Write such a value in full."""
    return exact(value) if figure is Figure.CREDITS else f"{value:,} {UNITS[figure]}"


def change(now: int, before: int) -> str:
    """Compare with the range before, in whole percent; nothing where there was none."""
    if before <= 0:
        return ""
    if now >= before * TENFOLD:
        return f"{now // before:,}-fold"
    percent = ((now - before) * 200 + before) // (before * 2)
    if percent == 0:
        return "as before" if now == before else f"±0{THIN}%"
    return f"{'+' if percent > 0 else MINUS}{abs(percent)}{THIN}%"
