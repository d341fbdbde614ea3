"""Gathers one Snapshot of a stack: objects from the watch store, figures from the engines and services."""
