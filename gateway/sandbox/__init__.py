"""A Digital Post to try against: the documented REST API over mTLS, receipts, dials for every fault.

It imitates what the sandbox's authors could verify (reference in docs/reference); where the real
system's answer is not known, the sandbox says so beside the choice. Nothing here reaches a citizen.
"""
