"""The agent: a small process beside each mysqld, on its socket, that keeps accounts, certificates and the group going.

It is what lets a stack live through restarts without an operator. Once a second it looks (`look`), decides (`decide`,
pure) and does one thing (`act`). It bootstraps a group of one, and only that; nothing else in the project bootstraps.
"""
