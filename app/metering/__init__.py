"""The hot path: a pure decision, groups of calls that commit together, prices, and how usage is booked."""
