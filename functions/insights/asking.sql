-- days --
-- The days asked for, each with the moment at which it begins (none where they are too many), and the end; nothing where
-- nobody knows the zone.
SELECT first, last, today, name AS time_zone, days, starts, (last + 1)::timestamp AT TIME ZONE name AS until
FROM time_zones
CROSS JOIN LATERAL (SELECT (%(now)s::timestamptz AT TIME ZONE name)::date AS today) AS this
CROSS JOIN LATERAL (SELECT coalesce(%(to)s::date, today) AS last) AS ending
CROSS JOIN LATERAL (SELECT coalesce(%(from)s::date, last - %(usual)s::integer) AS first) AS beginning
LEFT JOIN LATERAL (
    SELECT array_agg(first + number ORDER BY number) AS days,
           array_agg((first + number)::timestamp AT TIME ZONE name ORDER BY number) AS starts
    FROM generate_series(0, last - first) AS number
    WHERE last - first < %(most)s::integer
) AS each ON true
WHERE name = %(time_zone)s;

-- give_memory --
-- Lets a report sort and hash in memory what is some ten bytes a visitor.
SELECT set_config('work_mem', '64MB', true);
