"""Metering as a plain model: one account, numbers in dictionaries, no clock but its own. PRODUCT.md says the rules."""

from dataclasses import dataclass, field

UNLIMITED = -1
SETTLEABLE_SECONDS = 72 * 3600
CREDIT = 1_000_000


@dataclass
class Hold:
    """A reservation."""

    key: str
    amount: int
    asked: int
    until: int
    month: int
    state: str = "open"


@dataclass
class Model:
    """One account. `members`: quotas; `keys`: whose they are, and their limits. Seconds and micro-credits."""

    members: dict[str, int]
    keys: dict[str, tuple[str, int]]
    balance: int = 0
    seconds: int = 0
    month: int = 0
    frozen: bool = False
    revoked: set[str] = field(default_factory=set)
    holds: list[Hold] = field(default_factory=list)
    used: dict[tuple[str, int], int] = field(default_factory=dict)
    calls: int = 0

    def pass_time(self, seconds: int) -> None:
        """Let time pass."""
        self.seconds += seconds

    def turn_month(self) -> None:
        """Let a month pass: 31 days, more or less, and so no hold can be settled any more."""
        self.pass_time(31 * 86_400)
        self.month += 1

    def running(self, hold: Hold) -> bool:
        """Tell whether a hold still reserves."""
        return hold.state == "open" and self.seconds < hold.until

    @property
    def held(self) -> int:
        """Sum what is reserved."""
        return sum(one.amount for one in self.holds if self.running(one))

    def spent(self, subject: str) -> int:
        """Sum what a member or key used and holds this month."""
        holding = sum(
            one.amount
            for one in self.holds
            if self.running(one)
            and one.month == self.month
            and subject in (one.key, self.keys[one.key][0])
        )
        return self.used.get((subject, self.month), 0) + holding

    def left(self, subject: str, limit: int) -> int | None:
        """Tell what a limit leaves; None for no limit."""
        return None if limit == UNLIMITED else limit - self.spent(subject)

    def authorize(self, key: str, amount: int, least: int | None, ttl: int) -> str | Hold:
        """Reserve; a refusal's code or the hold."""
        member, limit = self.keys[key]
        if key in self.revoked:
            return "invalid_api_key"
        if self.frozen:
            return "account_frozen"
        quota = self.members[member]
        if quota == 0:
            return "quota_disabled"
        bounds = (
            ("quota_exceeded", self.left(member, quota)),
            ("key_limit_exceeded", self.left(key, limit)),
            ("insufficient_credits", self.balance - self.held),
        )
        wanted = max(least, 1) if least is not None and amount > 0 else amount
        granted = amount
        for code, left in bounds:
            if code == "key_limit_exceeded" and limit == 0:
                return code
            if left is not None and wanted > 0:
                if left < wanted:
                    return code
                granted = min(granted, left)
        hold = Hold(key, granted, amount, self.seconds + ttl, self.month)
        self.holds.append(hold)
        return hold

    def settle(self, hold: Hold, cost: int) -> str:
        """Book what a reserved call cost."""
        if hold.state not in ("open", "expired"):
            return "hold_not_open"
        if self.seconds >= hold.until + SETTLEABLE_SECONDS:
            return "hold_not_open"
        if cost > max(10 * hold.asked, 10 * CREDIT):
            return "overrun_too_large"
        hold.state = "settled"
        self._book(hold.key, hold.month, cost)
        return "ok"

    def release(self, hold: Hold) -> str:
        """Free a reservation."""
        if hold.state == "settled":
            return "hold_not_open"
        if self.running(hold):
            hold.state = "released"
        return "ok"

    def report(self, key: str, cost: int) -> str:
        """Book a call that was made without asking: whatever became of its key."""
        self._book(key, self.month, cost)
        return "ok"

    def _book(self, key: str, month: int, cost: int) -> None:
        self.balance -= cost
        self.calls += 1
        for subject in (key, self.keys[key][0]):
            self.used[subject, month] = self.used.get((subject, month), 0) + cost
