"""Work room: child processes without keys, their confinement, budgets, progress, the clock."""
