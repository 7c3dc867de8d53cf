"""Readings and weather forecasts that are asked for: a connector a service, asked on the worker's clock.

contract      what a connector is
connectors/   a file a service; the folder is the registry
asking        one question over HTTP: bounded, patient, never with a key in any word
run           the pulls that are due: asked, saved, and how it went written down
cli           `greenwatch pull`
"""
