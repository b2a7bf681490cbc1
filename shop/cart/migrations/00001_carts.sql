-- +goose Up
CREATE TABLE carts (
    id         TEXT   PRIMARY KEY,
    changed_at BIGINT NOT NULL -- Unix milliseconds by the database's clock
);
CREATE INDEX carts_by_change ON carts (changed_at);

-- A line that was removed stays with quantity 0 until its cart is swept: repeating
-- the removal finds it, and a late change does not bring it back.
CREATE TABLE cart_lines (
    id          TEXT    PRIMARY KEY,
    cart        TEXT    NOT NULL REFERENCES carts (id) ON DELETE CASCADE,
    position    INTEGER NOT NULL,
    product     TEXT    NOT NULL,
    name        TEXT    NOT NULL, -- '' and price NULL: the catalogue could not be asked yet
    price       BIGINT,           -- of one piece, in cents
    quantity    INTEGER NOT NULL CHECK (quantity BETWEEN 0 AND 1000),
    request_key TEXT    NOT NULL  -- the Idempotency-Key it was added with, or ''
);
CREATE INDEX cart_lines_by_cart ON cart_lines (cart, position);

-- +goose Down
DROP TABLE cart_lines;
DROP TABLE carts;
