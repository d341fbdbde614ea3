"""Carries out what was decided, through ports; every act can be repeated after a crash."""
