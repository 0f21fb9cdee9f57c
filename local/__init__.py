"""The laptop: what stands in for AWS, for the providers and for people's cards. Never packaged."""
