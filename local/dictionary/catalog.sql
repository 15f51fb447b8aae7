-- tables --
-- Every table; a partitioned one stands for its months.
SELECT oid, relname AS name, obj_description(oid, 'pg_class') AS comment, pg_get_partkeydef(oid) AS partitioned_by
FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
ORDER BY relname COLLATE "C";

-- columns --
-- The columns of a table, in its order.
SELECT attname AS name, format_type(atttypid, atttypmod) AS type, NOT attnotnull AS nullable,
       col_description(attrelid, attnum) AS comment
FROM pg_attribute
WHERE attrelid = %(table)s AND attnum > 0 AND NOT attisdropped
ORDER BY attnum;

-- indexes --
-- The indexes of a table, its key first.
SELECT relname AS name, obj_description(indexrelid, 'pg_class') AS comment, indisprimary AS is_key,
       substring(pg_get_indexdef(indexrelid) FROM ' USING \w+ (.*)') AS definition
FROM pg_index
JOIN pg_class ON pg_class.oid = indexrelid
WHERE indrelid = %(table)s
ORDER BY indisprimary DESC, relname COLLATE "C";

-- functions --
-- Every function of the schema.
SELECT proname AS name, pg_get_function_arguments(oid) AS arguments, pg_get_function_result(oid) AS result,
       obj_description(oid, 'pg_proc') AS comment
FROM pg_proc
WHERE pronamespace = 'public'::regnamespace
ORDER BY proname COLLATE "C";
