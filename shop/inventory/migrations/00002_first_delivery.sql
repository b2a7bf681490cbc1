-- +goose Up
-- A million pieces of each product of the catalogue, p-1001 to p-2000.
WITH RECURSIVE numbers (n) AS (
    SELECT 1001 UNION ALL SELECT n + 1 FROM numbers WHERE n < 2000
)
INSERT INTO stock (product, initial, free, reserved, sold)
SELECT 'p-' || CAST(n AS TEXT), 1000000, 1000000, 0, 0 FROM numbers;

-- +goose Down
DELETE FROM stock;
