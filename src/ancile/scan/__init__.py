"""What files hold that could run, break or mislead whoever opens them."""
