-- Why there is an episode or a score: what was expected, what was seen, by what it was found, and what the stations around
-- had; as data, and in a sentence. Clocks are the station's, titles and lines those of the newest edition.

-- A number as people read it: two decimals at most.
CREATE OR REPLACE FUNCTION report.figure(value float8) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN trim_scale(round(value::numeric, 2))::text;

-- A time by a clock that is so many minutes ahead of UTC.
CREATE OR REPLACE FUNCTION report.clock(moment timestamptz, ahead int) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN to_char(moment AT TIME ZONE 'UTC' + make_interval(mins => ahead), 'YYYY-MM-DD HH24:MI');

-- What a parameter and averaging are called, by the newest editions: `called` has those of parameters, averagings and words.
CREATE OR REPLACE FUNCTION report.fact_words(called jsonb, parameter text, averaging text, chinese boolean) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN chinese THEN concat(
    coalesce(called->'parameters'->parameter->>'title_zh', parameter),
    coalesce(called->'averagings'->averaging->>'title_zh', called->'words'->'said'->averaging->>'title_zh', averaging)
) ELSE format('%s (%s)',
    coalesce(called->'parameters'->parameter->>'title', parameter),
    coalesce(called->'averagings'->averaging->>'title', called->'words'->'said'->averaging->>'title', averaging)
) END;

-- What a term of a rule of episodes looks at: `asked` is its record.
CREATE OR REPLACE FUNCTION report.term_words(called jsonb, asked jsonb, chinese boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN chinese THEN concat(
    report.fact_words(called, asked->>'parameter', asked->>'averaging', true),
    '减' || report.fact_words(called, split_part(asked->>'minus', '/', 1), split_part(asked->>'minus', '/', 2), true),
    '与' || report.fact_words(called, split_part(asked->>'per', '/', 1), split_part(asked->>'per', '/', 2), true) || '之比',
    CASE WHEN asked->>'measure' <> 'value' THEN concat(
        asked->>'window', '小时', coalesce(called->'words'->'measure'->(asked->>'measure')->>'title_zh', asked->>'measure')) END
) ELSE concat(
    CASE WHEN asked->>'measure' <> 'value'
        THEN coalesce(called->'words'->'measure'->(asked->>'measure')->>'title', asked->>'measure') || ' of ' END,
    report.fact_words(called, asked->>'parameter', asked->>'averaging', false),
    ' minus ' || report.fact_words(called, split_part(asked->>'minus', '/', 1), split_part(asked->>'minus', '/', 2), false),
    ' per ' || report.fact_words(called, split_part(asked->>'per', '/', 1), split_part(asked->>'per', '/', 2), false),
    CASE WHEN asked->>'measure' <> 'value' THEN format(' in %s h', asked->>'window') END
) END;

-- What each term of each rule looks at, in words; the newest editions.
CREATE OR REPLACE VIEW report.term_title AS
WITH called AS (
    SELECT jsonb_object_agg(name, rows) AS called
    FROM (SELECT DISTINCT ON (name) name, rows FROM edition WHERE name IN ('parameters', 'averagings', 'words')
          ORDER BY name, valid_from DESC, id DESC) AS newest
)
SELECT r.key AS rule, t.term, report.term_words(c.called, t.asked, false) AS words,
       report.term_words(c.called, t.asked, true) AS words_zh
FROM called c,
     jsonb_each((SELECT rows FROM edition WHERE name = 'episodes' ORDER BY valid_from DESC, id DESC LIMIT 1)) AS r
CROSS JOIN LATERAL (
    SELECT 0 AS term, r.value AS asked
    UNION ALL SELECT a.number::int, a.asked FROM jsonb_array_elements(r.value->'also') WITH ORDINALITY AS a (asked, number)
) AS t;

-- `expected`: the line of its level 1 and of the one it reached (`reached`); null where its station is in no place that has
-- one. `seen`: its peak, of what its rule looks at (`by`). `besides`: what else had to hold, as it was then.
CREATE OR REPLACE VIEW report.episode_explanation AS
WITH line AS (
    SELECT r.key AS rule, p.key AS place, coalesce(p.value->'levels', r.value->'levels') AS levels,
           coalesce(r.value->>'direction', 'above') AS direction
    FROM jsonb_each((SELECT rows FROM edition WHERE name = 'episodes' ORDER BY valid_from DESC, id DESC LIMIT 1)) AS r
    LEFT JOIN LATERAL jsonb_each(r.value->'places') AS p ON true
), words AS MATERIALIZED (
    SELECT rule, term, words, words_zh FROM report.term_title
), said AS (
    SELECT t.code AS station, r.name AS rule, e.time, e.stop, e.closed, e.level, e.peak AS seen, e.peak_time,
           d.parameter, d.averaging, d.unit, d.parameter_unit, d.title, d.title_zh, coalesce(d.about, 'event') AS about,
           (l.levels->>0)::float8 AS expected, (l.levels->>(e.level - 1))::float8 AS reached, l.direction,
           x.words AS by, coalesce(w.words, x.words) AS what, coalesce(w.words_zh, x.words) AS what_zh,
           coalesce(b.besides, k.besides) AS besides, b.also, b.also_zh, k.found, k.found_zh, n.around, a.background, a.share,
           g.name AS region, g.stations, g."order", g.arrival, g.core, t.utc_offset AS ahead,
           f.gauge, f.distance, f.depth, f.dry, f.lag, f.recovery,
           nullif(concat_ws(' ', t.code, nullif(t.title, '')), '') AS place, coalesce(nullif(t.title_zh, ''), t.code) AS place_zh
    FROM episode e JOIN station t ON t.id = e.station JOIN term r ON r.id = e.rule
    LEFT JOIN report.episode_rule d ON d.rule = r.name
    LEFT JOIN LATERAL (
        SELECT l.levels, l.direction FROM line l
        LEFT JOIN membership m ON m.station = e.station AND m.kind || ':' || m.place = l.place
            AND m.since <= (e.time AT TIME ZONE 'UTC' + make_interval(mins => t.utc_offset))::date
        WHERE l.rule = r.name AND (l.place IS NULL OR m.station IS NOT NULL) ORDER BY m.since DESC LIMIT 1
    ) AS l ON true
    LEFT JOIN episode_evidence x ON x.station = e.station AND x.rule = e.rule AND x.time = e.time AND x.term = 0
    LEFT JOIN words w ON w.rule = r.name AND w.term = 0
    LEFT JOIN LATERAL (
        SELECT string_agg(format('%s %s', v.words, report.figure(v.worst)), '; ' ORDER BY v.term) AS besides,
               string_agg(concat(coalesce(o.words, v.words), ' ', report.figure(v.worst)), '; ' ORDER BY v.term) AS also,
               string_agg(concat(coalesce(o.words_zh, v.words), report.figure(v.worst)), '；' ORDER BY v.term) AS also_zh
        FROM episode_evidence v LEFT JOIN words o ON o.rule = r.name AND o.term = v.term
        WHERE v.station = e.station AND v.rule = e.rule AND v.time = e.time AND v.term > 0 AND v.worst IS NOT NULL
    ) AS b ON true
    -- Of what scores say: which detectors, and how unusual it was for each at most.
    LEFT JOIN LATERAL (
        SELECT string_agg(format('%s %s', k.detector, report.figure(k.worst)), '; ' ORDER BY k.worst DESC, k.detector) AS besides,
               string_agg(format('%s (%s)', coalesce(k.word->>'title', k.detector), report.figure(k.worst)), '; '
                          ORDER BY k.worst DESC, k.detector) AS found,
               string_agg(format('%s（%s）', coalesce(k.word->>'title_zh', k.detector), report.figure(k.worst)), '；'
                          ORDER BY k.worst DESC, k.detector) AS found_zh
        FROM (
            SELECT o.name AS detector, max(c.value) AS worst,
                   (SELECT rows->'detector'->o.name FROM edition WHERE name = 'words'
                    ORDER BY valid_from DESC, id DESC LIMIT 1) AS word
            FROM score c JOIN series s ON s.id = c.series JOIN term o ON o.id = c.detector
            WHERE d.averaging = 'score' AND s.station = e.station AND s.parameter = d.parameter
                AND c.time >= e.time AND c.time < e.stop AND o.name <> 'alarm'
            GROUP BY o.name
        ) AS k
    ) AS k ON true
    LEFT JOIN episode_share a ON a.station = e.station AND a.rule = e.rule AND a.time = e.time
    LEFT JOIN LATERAL (
        SELECT string_agg(o.code, ', ' ORDER BY o.code) AS around FROM station o
        WHERE o.id = ANY(string_to_array(a.around, ',')::int4[])
    ) AS n ON true
    LEFT JOIN LATERAL (
        SELECT g.name, w.stations, m."order", m.arrival, m.core
        FROM region_member m JOIN region w ON w.rule = m.rule AND w.station = m.station AND w.time = m.time
        LEFT JOIN region_name g ON g.station = m.station AND g.rule = m.rule AND g.time = m.time AND NOT g.gone
        WHERE m.member = e.station AND m.rule = e.rule AND m.since <= e.time AND m.stop >= e.stop LIMIT 1
    ) AS g ON true
    LEFT JOIN LATERAL (
        SELECT f.gauge, f.distance, f.depth, f.dry, f.lag, f.recovery FROM report.runoff f
        WHERE r.name = 'storm_runoff' AND f.station = t.code AND f.time = e.time
    ) AS f ON true
)
SELECT station, rule, time, stop, closed, level, parameter, averaging, unit, about, expected, reached, seen, peak_time, by,
       besides, around, background, share, region,
       concat_ws(' ',
           format('%s at %s from %s %s: %s %s %s at %s%s.', title, place, report.clock(time, ahead),
               CASE WHEN closed THEN 'to ' || report.clock(stop, ahead) ELSE 'on, not over yet' END,
               coalesce(what, parameter), CASE direction WHEN 'below' THEN 'fell to' ELSE 'reached' END,
               concat_ws(' ', report.figure(seen), nullif(unit, '1')), report.clock(peak_time, ahead),
               CASE WHEN expected IS NOT NULL THEN format(', where %s is the line', report.figure(expected))
                    || CASE WHEN level > 1 THEN format(' and %s that of level %s', report.figure(reached), level) ELSE '' END
                    ELSE '' END),
           'Besides: ' || also || '.',
           'Found by: ' || found || '.',
           CASE WHEN depth IS NOT NULL THEN concat(
               format('Behind it %s mm of rain at %s (%s km)', report.figure(depth), gauge, report.figure(distance)),
               ' after ' || report.figure(dry / 24.0) || ' dry days', format(', the peak %s h after the wettest hour', lag),
               ', over ' || recovery || ' h later', '.') END,
           CASE WHEN share IS NOT NULL THEN format('%s around had %s on average; %s %% of what was here lay above them: %s.',
               around, concat_ws(' ', report.figure(background), parameter_unit), round(share * 100),
               CASE WHEN share >= 0.5 THEN 'mostly its own' ELSE 'mostly what all had' END) END,
           CASE WHEN region IS NOT NULL THEN format('One of %s stations of region %s: number %s, %s h after the first, of its %s.',
               stations, region, "order", arrival, CASE WHEN core THEN 'core' ELSE 'edge' END) END,
           CASE about WHEN 'device' THEN 'A device may be at fault.' WHEN 'ahead' THEN 'So it is expected: part of it is forecast.'
                      WHEN 'anomaly' THEN 'Unusual for this series; no limit is asked.' END
       ) AS sentence,
       concat(
           format('%s%s：%s%s，%s%s%s（%s）%s。', place_zh, title_zh, report.clock(time, ahead),
               CASE WHEN closed THEN '至' || report.clock(stop, ahead) ELSE '起，尚未结束' END,
               coalesce(what_zh, parameter), CASE direction WHEN 'below' THEN '最低' ELSE '最高' END,
               concat_ws(' ', report.figure(seen), nullif(unit, '1')), report.clock(peak_time, ahead),
               CASE WHEN expected IS NOT NULL THEN format('，起始限值%s', report.figure(expected))
                    || CASE WHEN level > 1 THEN format('，%s级限值%s', level, report.figure(reached)) ELSE '' END
                    ELSE '' END),
           '同时：' || also_zh || '。',
           '判据：' || found_zh || '。',
           CASE WHEN depth IS NOT NULL THEN concat(
               format('其前%s（%skm）降雨%smm', gauge, report.figure(distance), report.figure(depth)),
               '，雨前干期' || report.figure(dry / 24.0) || '天', format('，峰值滞后最大雨强%s小时', lag),
               '，其后' || recovery || '小时恢复', '。') END,
           CASE WHEN share IS NOT NULL THEN format('周边站点%s平均%s，本站%s%%高于周边：%s。',
               around, concat_ws(' ', report.figure(background), parameter_unit), round(share * 100),
               CASE WHEN share >= 0.5 THEN '以本地为主' ELSE '以区域背景为主' END) END,
           CASE WHEN region IS NOT NULL THEN format('属区域过程%s（共%s站），到达次序%s，晚于首站%s小时，%s。',
               region, stations, "order", arrival, CASE WHEN core THEN '位于核心区' ELSE '位于边缘区' END) END,
           CASE about WHEN 'device' THEN '设备可能异常。' WHEN 'ahead' THEN '此为预计，部分为预报值。'
                      WHEN 'anomaly' THEN '仅表示相对该序列异常，不对照限值。' END
       ) AS sentence_zh
FROM said;

-- `seen`: the hour's mean; `expected`: what is usual at that hour of the week, the hour before, what the stations around say,
-- or what is usual of a sensor among those of its station, by what the detector goes; how far off it (`line`) is a score of
-- 1.0: of `stuck` so many readings in a row, of `related` null, since it is that of all sensors together. `background`: the
-- median of the stations `around` in that hour.
CREATE OR REPLACE VIEW report.score_explanation AS
WITH said AS (
    SELECT t.code AS station, s.parameter, s.position, c.time, d.name AS detector, c.value, v.value AS seen,
           coalesce(b.value, w.value, r.value, (f.fit->'profile'->>(
               extract(hour FROM l.clock)::int + CASE WHEN extract(isodow FROM l.clock) > 5 THEN 24 ELSE 0 END
           ))::float8) AS expected,
           coalesce(abs(v.value - b.value) / nullif(c.value, 0),
                    (f.fit->>'line')::float8 * coalesce(greatest(w.value, 0) + (f.fit->>'foot')::float8, 1)) AS line,
           CASE WHEN b.value IS NOT NULL THEN 'was the hour before' WHEN d.name = 'network' THEN 'is what those around say'
                WHEN d.name = 'related' THEN 'is usual among its sensors' ELSE 'is usual at that hour' END AS how,
           CASE WHEN b.value IS NOT NULL THEN '前一小时为' WHEN d.name = 'network' THEN '按周边站点应为'
                WHEN d.name = 'related' THEN '同站各传感器中通常为' ELSE '该时段通常为' END AS how_zh,
           coalesce(k.title, d.name) AS by, coalesce(k.title_zh, d.name) AS by_zh,
           n.around, n.background, p.unit, p.title, p.title_zh, t.utc_offset AS ahead,
           nullif(concat_ws(' ', t.code, nullif(t.title, '')), '') AS place, coalesce(nullif(t.title_zh, ''), t.code) AS place_zh
    FROM score c JOIN series s ON s.id = c.series JOIN station t ON t.id = s.station
    JOIN term d ON d.id = c.detector AND d.name <> 'alarm' -- it repeats the score of the one that has the news
    CROSS JOIN LATERAL (SELECT c.time AT TIME ZONE 'UTC' + make_interval(mins => t.utc_offset) AS clock) AS l
    LEFT JOIN LATERAL (
        SELECT value->>'unit' AS unit, value->>'title' AS title, value->>'title_zh' AS title_zh
        FROM jsonb_each((SELECT rows FROM edition WHERE name = 'parameters' ORDER BY valid_from DESC, id DESC LIMIT 1))
        WHERE key = s.parameter
    ) AS p ON true
    -- One look a score, by its key: joined as a whole, every chunk of years may be read.
    LEFT JOIN LATERAL (
        SELECT value FROM average
        WHERE series = c.series AND time = c.time
            AND averaging = (SELECT id FROM term WHERE kind = 'averaging' AND name = 'hour') LIMIT 1
    ) AS v ON true
    LEFT JOIN LATERAL (
        SELECT value FROM average
        WHERE d.name IN ('one-step', 'swing') AND series = c.series AND time = c.time - interval '1 hour'
            AND averaging = (SELECT id FROM term WHERE kind = 'averaging' AND name = 'hour') LIMIT 1
    ) AS b ON true
    LEFT JOIN LATERAL (
        SELECT rows->'detector'->d.name->>'title' AS title, rows->'detector'->d.name->>'title_zh' AS title_zh
        FROM edition WHERE name = 'words' ORDER BY valid_from DESC, id DESC LIMIT 1
    ) AS k ON true
    LEFT JOIN LATERAL (
        SELECT convert_from(blob, 'UTF8')::jsonb AS fit FROM fit
        WHERE kind = d.name AND kind IN ('robust-seasonal', 'network', 'stuck', 'related') AND valid_from <= c.time
            -- What was learned of a station as a whole stands at one of its series.
            AND (subject = c.series OR kind = 'related' AND subject IN (SELECT id FROM series WHERE station = s.station))
        ORDER BY valid_from DESC, fitted_at DESC LIMIT 1
    ) AS f ON true
    LEFT JOIN LATERAL (
        SELECT convert_from(blob, 'UTF8')::jsonb->'neighbours' AS list FROM fit
        WHERE kind = 'neighbours' AND subject = c.series AND valid_from <= c.time
        ORDER BY valid_from DESC, fitted_at DESC LIMIT 1
    ) AS m ON true
    -- Each of those around, moved by how far it usually is off.
    LEFT JOIN LATERAL (
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a.value + (f.fit->'shifts'->>(o.place::int - 1))::float8) AS value
        FROM jsonb_array_elements_text(f.fit->'members') WITH ORDINALITY AS o (series, place)
        JOIN average a ON a.series = o.series::int4 AND a.time = c.time AND a.value IS NOT NULL
            AND a.averaging = (SELECT id FROM term WHERE kind = 'averaging' AND name = 'hour')
        WHERE d.name = 'network' AND m.list @> to_jsonb(o.series::int4)
    ) AS w ON true
    LEFT JOIN LATERAL (
        SELECT (f.fit->'centre'->>(o.place::int - 1))::float8 AS value
        FROM jsonb_array_elements_text(f.fit->'members') WITH ORDINALITY AS o (series, place)
        WHERE d.name = 'related' AND o.series::int4 = c.series LIMIT 1
    ) AS r ON true
    LEFT JOIN LATERAL (
        SELECT string_agg(DISTINCT o.code, ', ') AS around,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY a.value) AS background
        FROM jsonb_array_elements_text(m.list) AS b(series)
        JOIN average a ON a.series = b.series::int4 AND a.time = c.time AND a.value IS NOT NULL
            AND a.averaging = (SELECT id FROM term WHERE kind = 'averaging' AND name = 'hour')
        JOIN series z ON z.id = a.series JOIN station o ON o.id = z.station
    ) AS n ON true
)
SELECT station, parameter, position, time, detector, value, unit, expected, line, seen, around, background,
       concat_ws(' ',
           format('%s at %s, %s: %s%s.', title, place, report.clock(time, ahead),
               coalesce(concat_ws(' ', report.figure(seen), unit), 'not known any more'),
               CASE WHEN expected IS NOT NULL THEN concat(format(', where %s %s', report.figure(expected), how),
                       ' and ' || report.figure(line) || ' off it is the line')
                   WHEN detector = 'stuck' AND line IS NOT NULL
                   THEN format(', where %s readings alike in a row are the line', report.figure(ceil(line))) ELSE '' END),
           format('%s times the line of: %s.', report.figure(value), by),
           CASE WHEN background IS NOT NULL THEN format('%s around had %s.', around,
               concat_ws(' ', report.figure(background), unit)) END
       ) AS sentence,
       concat(
           format('%s%s，%s：%s%s。', place_zh, title_zh, report.clock(time, ahead),
               coalesce('实测' || concat_ws(' ', report.figure(seen), unit), '实测值已不存'),
               CASE WHEN expected IS NOT NULL THEN concat('，', how_zh, report.figure(expected),
                       '，偏离' || report.figure(line) || '即为异常')
                   WHEN detector = 'stuck' AND line IS NOT NULL
                   THEN format('，连续%s个读数相同即为异常', report.figure(ceil(line))) ELSE '' END),
           format('为“%s”界限的%s倍。', by_zh, report.figure(value)),
           CASE WHEN background IS NOT NULL THEN format('周边站点%s中位数%s。', around,
               concat_ws(' ', report.figure(background), unit)) END
       ) AS sentence_zh
FROM said;

-- Both, with the same columns: `kind` is episode or score, `by` the rule or detector.
CREATE OR REPLACE VIEW report.explanation AS
SELECT station, time, 'episode' AS kind, rule AS by, parameter, '' AS position, stop, seen, expected, unit, by AS measure,
       besides, around, background, share, region, sentence, sentence_zh
FROM report.episode_explanation
UNION ALL
SELECT station, time, 'score', detector, parameter, position, time + interval '1 hour', seen, expected, unit, NULL, NULL, around,
       background, NULL, NULL, sentence, sentence_zh
FROM report.score_explanation;

GRANT SELECT ON ALL TABLES IN SCHEMA report TO greenwatch_reader, greenwatch_duty, greenwatch_writer, greenwatch_admin;
GRANT USAGE ON SCHEMA report TO greenwatch_api;
GRANT SELECT ON report.explanation TO greenwatch_api;
