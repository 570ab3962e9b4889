"""Settings: what an operator may say, and how it is checked before anything starts."""

from gateway.config.load import load_settings
from gateway.config.settings import Settings

__all__ = ["Settings", "load_settings"]
