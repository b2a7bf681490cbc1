-- +goose Up
CREATE TABLE orders (
    id           TEXT    PRIMARY KEY,
    cart         TEXT    NOT NULL,
    request_key  TEXT    NOT NULL, -- the Idempotency-Key it was placed with, or ''
    state        TEXT    NOT NULL CHECK (state IN ('pending', 'confirmed', 'failed')),
    reason       TEXT    NOT NULL, -- why it failed, or ''
    total        BIGINT  NOT NULL, -- cents
    created_at   BIGINT  NOT NULL, -- this and leased_until: Unix milliseconds by the database's clock
    settled      INTEGER NOT NULL, -- 1 when nothing is left to do for it
    leased_until BIGINT  NOT NULL, -- until then one replica works on it
    fence        BIGINT  NOT NULL  -- counts the leases: who holds an older one changes nothing any more
);
CREATE INDEX orders_by_time ON orders (created_at, id);
CREATE INDEX orders_by_key ON orders (request_key) WHERE request_key <> '';
CREATE INDEX orders_unsettled ON orders (leased_until) WHERE settled = 0;

CREATE TABLE order_lines (
    order_id  TEXT    NOT NULL REFERENCES orders (id),
    cart_line TEXT    NOT NULL,
    sold      TEXT    UNIQUE,   -- the cart line, unless the order failed: it is sold once
    product   TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    quantity  INTEGER NOT NULL CHECK (quantity > 0),
    price     BIGINT  NOT NULL, -- of one piece, in cents, as it was when the order was placed
    PRIMARY KEY (order_id, cart_line)
);

-- +goose Down
DROP TABLE order_lines;
DROP TABLE orders;
