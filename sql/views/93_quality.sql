-- What tests object to, and what could not be kept: for who looks after instruments.

-- A test of a reading, its bit in the mask of a verdict, and its words.
CREATE OR REPLACE VIEW report.test AS
SELECT * FROM (VALUES
    (1, 'gross_range', 'out of range', '超出量程'), (2, 'spike', 'spike', '突跳'), (4, 'rate', 'too fast', '变化过快'),
    (8, 'flat_line', 'flat line', '恒值'), (16, 'gap', 'after a gap', '断档之后'),
    (32, 'device_mark', 'mark of the device', '设备标记'), (64, 'neighbours', 'unlike its neighbours', '与邻站不符'),
    (1073741824, 'manual', 'by hand', '人工')
) AS t (bit, test, title, title_zh);

-- Readings that are not good: 3 suspect, 4 fail, 9 missing (QARTOD), and the tests that object, as the sum of their bits.
CREATE OR REPLACE VIEW report.verdict AS
SELECT t.code AS station, s.parameter, s.position, s.statistic, v.time, v.code, v.tests
FROM verdict v JOIN series s ON s.id = v.series JOIN station t ON t.id = s.station;

-- What could not be kept, the newest with the greatest id; `waits`: it comes in by itself once its cause is gone.
CREATE OR REPLACE VIEW report.reject AS
SELECT r.id, r.kept, s.name AS source, r.reason, r.station, r.channel, r.stamp, left(r.text, 200) AS text,
       left(r.place, 200) AS place, r.time, r.time IS NOT NULL AS waits
FROM reject r JOIN source s ON s.id = r.source;

GRANT SELECT ON report.test, report.verdict, report.reject
    TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
