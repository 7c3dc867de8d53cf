-- Several probes a zone: the stations of those beside the one whose meter it has, and which probes were not believed.

ALTER TABLE zone ADD beside int4[] NOT NULL DEFAULT '{}';

ALTER TABLE water_balance ADD doubted text[] NOT NULL DEFAULT '{}';     -- codes of probes that spoke, not believed

ALTER TABLE advice ADD doubted text[] NOT NULL DEFAULT '{}';
