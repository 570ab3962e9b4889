"""Watched folders, local or shares: files that systems put in ``ind/``, and answers written back beside it.

``rounds`` says when, ``watch`` looks at one folder, ``share`` knows what lies in it. Events only say when to look; what is there is
what the folder itself says. The home of watchdog.
"""
