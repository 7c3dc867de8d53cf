"""The HTTP side of greenwatch: readings in, state out. It speaks to the store, never to a stage.

app        the routes composed, and what they share through their life
site       pools, newest snapshot, who takes posts: `site(request)` in a handler
api        what programs may ask, in OpenAPI: GET /openapi.json
problems   what is said to whoever asked for what cannot be given, in one shape
prompt     how long a connection may say nothing
guard      who may ask: Host, Origin, token, keys
keys       the keys in force, how much each may send
people     who logs in, and how often they may try
meter      how many answers, of what kind, how fast
intake     POST /observations, GET /batches/{id}; intake_api says it in OpenAPI
bodies     what a body may be
posts      a post and its answer
clerk      saved at once, or put into the spool first
backlog    what waits in the spool
memory     what is remembered of the registry from post to post
read/      GET /v1/...: what is in the store
incidents  an incident, and what is done about it
hooks      what Alertmanager and a work-order system tell of incidents
small      small bodies of JSON
reads      few of these at a time, on connections of their own
service    GET /healthz, GET /metrics
pages      what people look at
shared     what is made once for all who look
watcher    the thread that keeps the snapshot fresh
"""
