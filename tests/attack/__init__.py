"""Campaigns that try to break the library; each module is a program. See `attack.campaign`."""
