"""What holds for every test."""

from hypothesis import settings

# A busy machine makes nothing wrong: time is judged by benchmarks, and no test runs for ever.
settings.register_profile("rayfleet", deadline=None)
settings.load_profile("rayfleet")
