"""How long tests wait for what the product promises."""

SLACK = 3.0
"""Times that the product promises are time-outs; a loaded machine of two cores gets so many times as long."""
