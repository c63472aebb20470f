"""A stand-in for Grafana where its server cannot be had: it reads and checks the same provisioning and dashboard files,
answers the few API calls that a deployment check makes, and shows each panel's live values as text.

What it accepts, Grafana accepts too as far as the rules here go; nothing else about Grafana follows from it.
"""

VERSION = "11.6.0-stand-in"
