"""What several hosts share: budgets, rates, users and verdicts, in PostgreSQL and Redis."""
