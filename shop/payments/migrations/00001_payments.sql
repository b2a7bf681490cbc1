-- +goose Up
CREATE TABLE payments (
    order_id   TEXT   PRIMARY KEY,
    state      TEXT   NOT NULL CHECK (state IN ('requested', 'captured', 'declined', 'refunding', 'refunded', 'void')),
    cents      BIGINT NOT NULL, -- asked for; 0 when it is void
    charge     TEXT   NOT NULL, -- the processor's name of what was captured, or ''
    reason     TEXT   NOT NULL, -- why none was, or ''
    created_at BIGINT NOT NULL  -- Unix milliseconds by the database's clock
);

-- +goose Down
DROP TABLE payments;
