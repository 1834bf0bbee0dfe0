"""The gate between what departments deliver and what the warehouse believes."""

from creditflow.quality.sweep import GateSummary, gate, refuse, release
from creditflow.quality.verdicts import BatchVerdict

__all__ = ["BatchVerdict", "GateSummary", "gate", "refuse", "release"]
