from __future__ import annotations

from hypothesis import HealthCheck, settings

# A busy machine must not refute a law.
settings.register_profile(
    "laws", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("laws")
