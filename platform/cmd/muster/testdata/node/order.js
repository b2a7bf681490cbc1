// One order, as three Node programs would tell of it with OpenTelemetry's SDK: edge sends
// OTLP over HTTP in protobuf, compressed; orders over HTTP in JSON; card over gRPC.
// Metrics and logs are edge's and orders'. Prints the ids as JSON when all is sent.
// URL is where the platform takes OTLP; NODE_PATH is where the packages are.
'use strict';
const { diag, context, createTraceState, trace, DiagConsoleLogger, DiagLogLevel, SpanKind, SpanStatusCode } = require('@opentelemetry/api');
const { SeverityNumber } = require('@opentelemetry/api-logs');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { NodeTracerProvider, BatchSpanProcessor, SamplingDecision } = require('@opentelemetry/sdk-trace-node');
const { MeterProvider, PeriodicExportingMetricReader, AggregationType } = require('@opentelemetry/sdk-metrics');
const { LoggerProvider, BatchLogRecordProcessor } = require('@opentelemetry/sdk-logs');
const { OTLPTraceExporter: Protobuf } = require('@opentelemetry/exporter-trace-otlp-proto');
const { OTLPTraceExporter: JSONOverHTTP } = require('@opentelemetry/exporter-trace-otlp-http');
const { OTLPTraceExporter: GRPC } = require('@opentelemetry/exporter-trace-otlp-grpc');
const { OTLPMetricExporter } = require('@opentelemetry/exporter-metrics-otlp-proto');
const { OTLPLogExporter } = require('@opentelemetry/exporter-logs-otlp-proto');

diag.setLogger(new DiagConsoleLogger(), DiagLogLevel.WARN);
const url = process.env.URL;
const providers = [];
const resource = (service) => resourceFromAttributes({ 'service.name': service, 'service.instance.id': `${service}-1` });

// The root decides that its trace is kept, as a consistent sampler does.
const sampler = {
  shouldSample: (parent) => ({
    decision: SamplingDecision.RECORD_AND_SAMPLED,
    traceState: trace.getSpanContext(parent)?.traceState ?? createTraceState('ot=th:0'),
  }),
  toString: () => 'all',
};

function tracer(service, exporter) {
  const provider = new NodeTracerProvider({ resource: resource(service), sampler, spanProcessors: [new BatchSpanProcessor(exporter)] });
  providers.push(provider);
  return provider.getTracer('stock', '1.2.3');
}

const edge = tracer('edge', new Protobuf({ url: `${url}/v1/traces`, compression: 'gzip' }));
const orders = tracer('orders', new JSONOverHTTP({ url: `${url}/v1/traces` }));
const card = tracer('card', new GRPC({ url }));

// Times are milliseconds after a minute ago: whole ones, which a double has exactly.
const began = Date.now() - 60_000;
const start = (of, name, kind, at, parent, more = {}) =>
  of.startSpan(name, { kind, startTime: new Date(began + at), ...more }, parent ? trace.setSpan(context.active(), parent) : context.active());
const end = (span, at) => span.end(new Date(began + at));

const earlier = start(edge, 'POST /v1/carts', SpanKind.SERVER, 0);
end(earlier, 20);

const root = start(edge, 'POST /v1/orders', SpanKind.SERVER, 1000);
root.setStatus({ code: SpanStatusCode.OK });
const call = start(edge, 'POST', SpanKind.CLIENT, 1001, root, { attributes: { 'server.address': 'orders' } });
const order = start(orders, 'POST /v1/orders', SpanKind.SERVER, 1002, call, { links: [{ context: earlier.spanContext() }] });
order.setAttributes({ 'user.id': '7', 'http.response.status_code': 409, cents: 9.5, late: true, items: ['a', 'b'], counts: [1, 2], greeting: 'grüß dich 🐎' });
order.addEvent('reserved', { pieces: 2 }, new Date(began + 1100));
order.recordException(new Error('sold out'), new Date(began + 1200));
order.setStatus({ code: SpanStatusCode.ERROR, message: 'sold out' });
const pay = start(orders, 'POST', SpanKind.CLIENT, 1300, order, { attributes: { 'server.address': 'card' } });
const charge = start(card, 'POST /v1/charges', SpanKind.SERVER, 1301, pay, { attributes: { big: 2 ** 40 } });
end(charge, 1800);
end(pay, 1801);
end(order, 1998);
end(call, 1999);
end(root, 2000);

const meters = new MeterProvider({
  resource: resource('orders'),
  readers: [new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter({ url: `${url}/v1/metrics` }), exportIntervalMillis: 60_000 })],
  views: [{ instrumentName: 'shop.payload', aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }],
});
providers.push(meters);
const meter = meters.getMeter('stock', '1.2.3');
const placed = meter.createCounter('shop.orders', { unit: '{order}', description: 'Orders placed.' });
placed.add(3, { product: 'p-1' });
placed.add(4, { product: 'p-2' });
const took = meter.createHistogram('shop.checkout.duration', { unit: 's', advice: { explicitBucketBoundaries: [0.1, 1, 10] } });
const payload = meter.createHistogram('shop.payload', { unit: 'By' });
for (const v of [0.05, 0.5, 5, 50]) {
  took.record(v);
  payload.record(1000 * v);
}
meter.createUpDownCounter('shop.carts').add(-2);
meter.createObservableGauge('shop.cache.size', { unit: 'By' }).addCallback((r) => r.observe(4096));

const loggers = new LoggerProvider({ resource: resource('orders'), processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter({ url: `${url}/v1/logs` }) })] });
providers.push(loggers);
const logger = loggers.getLogger('stock');
const within = trace.setSpan(context.active(), order);
logger.emit({ timestamp: began + 1200, severityNumber: SeverityNumber.ERROR, severityText: 'ERROR', body: 'no horse is left', attributes: { product: 'p-1' }, context: within });
logger.emit({ timestamp: began + 1201, severityNumber: SeverityNumber.DEBUG, severityText: 'DEBUG', body: { stock: 0 }, context: within });

const id = (span) => span.spanContext().spanId;
Promise.all(providers.map((p) => p.forceFlush().then(() => p.shutdown()))).then(() => {
  console.log(JSON.stringify({ trace: root.spanContext().traceId, earlier: earlier.spanContext().traceId, began,
    spans: { root: id(root), call: id(call), order: id(order), pay: id(pay), charge: id(charge), earlier: id(earlier) } }));
});
