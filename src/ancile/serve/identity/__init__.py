"""Who somebody is that asks the gateway, and what he may."""
