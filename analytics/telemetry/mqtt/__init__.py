"""What brokers carry: topics, and the JSON that networks and plain devices publish. Bytes and words only.

topics     filters and patterns of topics
uplinks    the JSON of an uplink of a LoRaWAN network server
plain      JSON that says everything itself, or with its topic's help
nodes      what is registered of a sensor behind a network
"""
