-- +goose Up
-- The oldest version of the schema that a program must know to work with this
-- one. A migration that only adds (tables, indexes, columns with a default) leaves
-- it as it is, so that programs of before go on, and start, beside newer ones. One
-- that does not says so, by its own number:
--
--     UPDATE counter SET value = 12 WHERE name = 'schema';
--
-- and programs that do not know it end and start no more; see docs/adr/0042.
INSERT INTO counter (name, value) VALUES ('schema', 11);
