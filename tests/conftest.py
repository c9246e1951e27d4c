"""What holds for every test."""

from hypothesis import HealthCheck, settings

# A busy machine makes nothing wrong: time is judged by benchmarks, and every test has a limit.
settings.register_profile("rayfleet", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("rayfleet")
