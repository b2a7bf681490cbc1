-- +goose Up
-- From here on a saga carries an order; what the worker needed for that goes. Orders that
-- it has not settled are to be carried out by the version before, which any replica does;
-- so there is no way back either.
DROP INDEX orders_unsettled;
ALTER TABLE orders DROP COLUMN settled;
ALTER TABLE orders DROP COLUMN leased_until;
ALTER TABLE orders DROP COLUMN fence;
ALTER TABLE orders ADD COLUMN cancelled INTEGER NOT NULL DEFAULT 0; -- 1: the shopper took it back
ALTER TABLE orders ADD COLUMN approved INTEGER NOT NULL DEFAULT 0; -- 1: too late for that
