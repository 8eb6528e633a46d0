"""Guards: one file each, a plain function of request and state to a verdict."""
