"""Small real counterparts of the outside world for the sample stack: a mail sink and a payment provider.

Samples, not products: state is in memory and goes with the pod; what they count is exact while they run.
"""
