"""digitalpost-gateway: from what an organisation has (email, files) to Danish Digital Post, and back."""

__version__ = "0.1.0"
