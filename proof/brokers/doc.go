// Package brokers proves that the shop runs on each broker: its services as processes of their
// own on RabbitMQ, Redis and Kafka, under shoppers, while some of them are killed; afterwards
// all invariants of the shop must hold. On NATS, which the platform embeds, every drill
// does the same. There is nothing to import here.
package brokers
