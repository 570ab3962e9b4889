"""SFTP: each account has a small tree of its own, served from the ledger; no path of this machine is ever opened.

``server`` listens and lets accounts in, ``session`` answers one client's requests, ``tree`` says what a path
means, ``upload`` is a file on its way in, and ``handler`` is all that we change in asyncssh. The home of asyncssh.
"""
