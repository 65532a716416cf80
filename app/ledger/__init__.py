"""The ledger: credits move here and nowhere else."""
