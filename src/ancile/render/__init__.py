"""A record as table, JSON, SARIF, HTML, Markdown or JUnit: one file a format, one function of the record."""
