-- +goose Up
CREATE TABLE parcels (
    id         TEXT   PRIMARY KEY,
    order_id   TEXT   NOT NULL UNIQUE, -- an order ships once
    pieces     BIGINT NOT NULL CHECK (pieces > 0),
    created_at BIGINT NOT NULL         -- Unix milliseconds by the database's clock
);

-- +goose Down
DROP TABLE parcels;
