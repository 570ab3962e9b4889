"""The words: frozen values, no I/O. ``docs/glossary.md`` carries them, Danish beside English."""
