-- +goose Up
CREATE INDEX order_lines_by_product ON order_lines (product); -- how often is it ordered?
