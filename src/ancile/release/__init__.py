"""Release room: manifests of what leaves the team, their signatures, and bundles that other tools read."""
