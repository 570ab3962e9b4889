"""REST push: Digital Post hands its messages to a server of ours, instead of waiting to be asked."""
