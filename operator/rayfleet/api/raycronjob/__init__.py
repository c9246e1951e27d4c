"""The RayCronJob API."""
