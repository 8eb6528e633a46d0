"""What can be seen of a running gateway: counts, an access log, traces; identities but no inputs."""
