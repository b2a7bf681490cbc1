// notify sends one mail for each order that was confirmed or failed. It is the shop's
// service in another language: it needs Node 18 or newer, no package, no client of a
// broker. Muster posts the events to it as CloudEvents over HTTP, in binary mode; what
// it answers decides: 2xx is done, 408, 425, 429 and 5xx is to be tried again, any
// other 4xx is put aside for a person to look at.
//
// A mail here is a file, MAIL_DIR/<order>.<state>.json. It is written beside, made
// safe on disk, and then linked to its name, which succeeds once: whoever comes second,
// in this process or another one, with the same event or one that says the same, finds
// it sent. A crash leaves the whole mail or none.
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const path = require('node:path');
const { performance } = require('node:perf_hooks');
const { randomBytes, randomUUID } = require('node:crypto');

const MAIL_DIR = path.resolve(process.env.MAIL_DIR || path.join('.muster', 'mails'));
const MOST = 512 * 1024; // bytes of an event, as the bus has it
const STALE = 60_000; // ms; what is left unfinished for so long is nobody's any more
const DRAIN = 10_000; // ms

// What there is a mail for, and what it says.
const MAILS = {
  'orders.confirmed': {
    state: 'confirmed',
    fields: { order: isName, cart: isText, cents: isCents },
    write: (e) => ({ subject: `Your order ${e.order} is on its way`, text: `Paid: ${(e.cents / 100).toFixed(2)}. Thank you!` }),
  },
  'orders.failed': {
    state: 'failed',
    fields: { order: isName, cart: isText, reason: isText },
    write: (e) => ({ subject: `Your order ${e.order} came to nothing`, text: `You have not been charged: ${e.reason}` }),
  },
};

function isName(v) {
  return typeof v === 'string' && /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/.test(v) ? '' : 'must be 1 to 100 letters, digits, - and _';
}
function isText(v) {
  return typeof v === 'string' ? '' : 'must be a text';
}
function isCents(v) {
  return Number.isSafeInteger(v) && v >= 0 ? '' : 'must be a whole number, 0 or more';
}

// Problem is an answer other than 2xx, in the form of RFC 9457.
class Problem extends Error {
  constructor(status, code, detail, details = []) {
    super(detail);
    Object.assign(this, { status, code, details });
  }
}

const invalid = (detail, details) => new Problem(400, 'invalid_argument', detail, details);

// receive turns a request into an event, or throws a Problem that says what is wrong.
function receive(req, body) {
  const wrong = [];
  const attribute = (name) => {
    let value = req.headers[`ce-${name}`] ?? '';
    try {
      value = decodeURIComponent(value); // as the HTTP binding, 3.1.3.2, has it
    } catch {
      wrong.push({ field: `ce-${name}`, reason: 'has a % that is not followed by UTF-8 in hexadecimal' });
    }
    if (value === '' || value.length > 255) wrong.push({ field: `ce-${name}`, reason: 'must have 1 to 255 characters' });
    return value;
  };
  if (/^application\/cloudevents/i.test(req.headers['content-type'] ?? '')) {
    throw new Problem(415, 'invalid_argument', 'CloudEvents are taken in binary mode: attributes in ce- headers, data in the body');
  }
  const [specversion, id, source, type] = ['specversion', 'id', 'source', 'type'].map(attribute);
  if (specversion !== '' && specversion !== '1.0') wrong.push({ field: 'ce-specversion', reason: 'must be 1.0' });
  if (wrong.length > 0) throw invalid('this is not a CloudEvent', wrong);
  const mail = Object.hasOwn(MAILS, type) ? MAILS[type] : undefined;
  if (mail === undefined) {
    throw new Problem(422, 'unprocessable', `there is no mail for events of the type ${type}`, [
      { field: 'ce-type', reason: `known are ${Object.keys(MAILS).join(' and ')}` },
    ]);
  }
  if (!/^application\/json\s*(;|$)/i.test(req.headers['content-type'] ?? '')) {
    throw new Problem(415, 'invalid_argument', 'the data must be application/json', [{ field: 'content-type', reason: 'must be application/json' }]);
  }
  let data;
  try {
    data = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (err) {
    throw invalid(`the data is not JSON: ${err.message}`);
  }
  if (data === null || typeof data !== 'object' || Array.isArray(data)) throw invalid('the data must be a JSON object');
  for (const [field, check] of Object.entries(mail.fields)) {
    const reason = check(data[field]);
    if (reason) wrong.push({ field, reason });
  }
  if (wrong.length > 0) throw invalid(`this is not an event ${type}`, wrong);
  return { id, source, type, mail, data };
}

// send sends the mail of an event and returns true, or false when it was sent before.
// It waits for the disk with everything else, so there is no moment at which it could
// be half done and something else begin.
function send(event) {
  const name = `${event.data.order}.${event.mail.state}.json`;
  const unfinished = path.join(MAIL_DIR, `.${name}.${randomUUID()}.tmp`);
  const mail = { order: event.data.order, state: event.mail.state, ...event.mail.write(event.data), event: event.id, source: event.source, sent: new Date().toISOString() };
  try {
    const file = fs.openSync(unfinished, 'wx', 0o600);
    try {
      fs.writeFileSync(file, `${JSON.stringify(mail)}\n`);
      fs.fsyncSync(file);
    } finally {
      fs.closeSync(file);
    }
    try {
      fs.linkSync(unfinished, path.join(MAIL_DIR, name));
    } catch (err) {
      if (err.code !== 'EEXIST') throw err;
      flush(); // whoever was first may have crashed before it did
      return false;
    }
    flush();
    return true;
  } catch (err) { // a full disk, one that is read-only: it may pass
    throw new Problem(503, 'unavailable', `the mail cannot be sent now: ${err.code ?? err.message}`);
  } finally {
    fs.rmSync(unfinished, { force: true });
  }
}

// flush makes the folder's names safe on disk.
function flush() {
  const dir = fs.openSync(MAIL_DIR, 'r');
  try {
    fs.fsyncSync(dir);
  } finally {
    fs.closeSync(dir);
  }
}

// sweep removes what crashed processes left unfinished.
function sweep() {
  for (const name of fs.readdirSync(MAIL_DIR)) {
    const file = path.join(MAIL_DIR, name);
    if (!/^\..*\.tmp$/.test(name)) continue;
    const info = fs.statSync(file, { throwIfNoEntry: false }); // another process may sweep too
    if (info && Date.now() - info.mtimeMs > STALE) fs.rmSync(file, { force: true });
  }
}

function log(level, msg, more = {}) {
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), level, msg, service: SERVICE, ...more })}\n`);
}

// Tracing, in OpenTelemetry's terms: each event that is posted is a span below the one
// that posted it (W3C Trace Context), sent as OTLP in JSON. What cannot be sent is kept,
// up to a bound, and tried again; what is lost is counted and logged.
const SERVICE = process.env.OTEL_SERVICE_NAME || process.env.MUSTER_SERVICE || 'notify';
const SPANS = 1000; // at most so many wait
const SEND_EVERY = 500; // ms
const SEND_WITHIN = 5_000; // ms

// now is the time in ns since 1970. Date.now has whole milliseconds, too few to put spans
// of two processes into their order; performance.now does not follow the clock for ever.
let origin = performance.timeOrigin;
function now() {
  let ms = origin + performance.now();
  if (Math.abs(ms - Date.now()) > 20) ms = (origin = Date.now() - performance.now()) + performance.now();
  return BigInt(Math.round(ms * 1e6));
}

// begin begins the span of a request.
function begin(req) {
  const sent = req.headers.traceparent ?? req.headers['ce-traceparent'];
  const [, trace, parent, flags] = /^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})/.exec(sent ?? '') ?? [];
  return {
    trace: trace ?? randomBytes(16).toString('hex'), id: randomBytes(8).toString('hex'), parent: parent ?? '', start: now(),
    state: String(req.headers.tracestate ?? ''), sampled: flags === undefined || (Number.parseInt(flags, 16) & 1) === 1, attributes: {},
  };
}

// ids are what a log line says of a span.
const ids = (span) => ({ trace_id: span.trace, span_id: span.id });

// end ends the span of a request. One of a trace that is not sampled is kept all the same
// when the request failed.
function end(span, req, status) {
  if (!span.sampled && status < 500) return;
  const known = req.url === '/events';
  const attributes = {
    'http.request.method': req.method, 'url.path': req.url, 'http.response.status_code': status, ...(known && { 'http.route': '/events' }),
    ...(status >= 500 && { 'error.type': String(status) }), ...span.attributes,
  };
  outbox.add({
    traceId: span.trace, spanId: span.id, parentSpanId: span.parent, traceState: span.state, flags: Number(span.sampled) | (span.parent && 0x300),
    name: known ? `${req.method} /events` : req.method, kind: 2, startTimeUnixNano: String(span.start), endTimeUnixNano: String(now()),
    attributes: pairs(attributes), status: status >= 500 ? { code: 2 } : {},
  });
}

const pairs = (object) => Object.entries(object)
  .filter(([, value]) => value !== undefined && value !== '')
  .map(([key, value]) => ({ key, value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: String(value) } }));

// outbox sends spans to OTEL_EXPORTER_OTLP_ENDPOINT; without one it keeps none.
const outbox = {
  url: process.env.OTEL_EXPORTER_OTLP_ENDPOINT ? new URL(`${process.env.OTEL_EXPORTER_OTLP_ENDPOINT.replace(/\/+$/, '')}/v1/traces`) : null,
  spans: [],
  lost: 0,
  wait: 0, // ms; after a failure
  timer: null,
  sending: null, // the try under way

  add(span) {
    if (this.url === null) return;
    if (this.spans.length >= SPANS) {
      if (this.lost++ === 0) log('WARN', 'spans are lost: telemetry cannot be sent', { endpoint: this.url.href });
      return;
    }
    this.spans.push(span);
    this.later(SEND_EVERY);
  },

  later(ms) {
    if (this.timer !== null || this.sending !== null) return;
    this.timer = setTimeout(() => {
      this.timer = null;
      this.send();
    }, Math.max(ms, this.wait)).unref();
  },

  // send makes one try with all that waits.
  send() {
    if (this.sending !== null || this.spans.length === 0) return this.sending;
    const batch = this.spans.slice(0, 256);
    this.sending = post(this.url, this.request(batch)).then((status) => {
      if (status === 429 || status >= 500) throw new Error(`answered ${status}`);
      this.spans.splice(0, batch.length);
      if (status >= 300) log('WARN', 'spans were refused', { status, spans: batch.length });
      if (this.lost > 0) log('WARN', 'telemetry is sent again', { lost: this.lost });
      this.lost = this.wait = 0;
    }).catch(() => {
      this.wait = Math.min(Math.max(250, 2 * this.wait), 5_000);
    }).finally(() => {
      this.sending = null;
      if (this.spans.length > 0) this.later(0);
    });
    return this.sending;
  },

  request(spans) {
    const resource = { 'service.name': SERVICE, 'service.instance.id': process.env.MUSTER_INSTANCE, 'service.version': process.env.MUSTER_VERSION, 'telemetry.sdk.language': 'nodejs' };
    return JSON.stringify({ resourceSpans: [{ resource: { attributes: pairs(resource) }, scopeSpans: [{ scope: { name: 'notify' }, spans }] }] });
  },
};

// post posts JSON and returns the status of the answer.
function post(url, body) {
  return new Promise((resolve, reject) => {
    const req = (url.protocol === 'https:' ? https : http).request(url, {
      method: 'POST', timeout: SEND_WITHIN, headers: { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) },
    }, (res) => {
      res.on('error', reject);
      res.on('end', () => resolve(res.statusCode)).resume();
    });
    req.on('timeout', () => req.destroy(new Error('no answer in time')));
    req.on('error', reject);
    req.end(body);
  });
}

let draining = false;

function answer(res, status, type, body, headers = {}) {
  if (draining) headers.Connection = 'close';
  res.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body), ...headers });
  res.end(body);
}

// refuse answers with a problem; without a span it is no news, and not logged.
function refuse(req, res, err, span) {
  const p = err instanceof Problem ? err : new Problem(500, 'internal', 'notify failed; its log says why');
  if (span) log(p.status < 500 ? 'WARN' : 'ERROR', 'an event was refused', {
    status: p.status, event: req.headers['ce-id'], type: req.headers['ce-type'], ...ids(span), error: p === err ? p.message : String(err.stack),
    details: p.details.length > 0 ? p.details : undefined,
  });
  const body = { type: 'about:blank', title: http.STATUS_CODES[p.status], status: p.status, detail: p.message, instance: req.url, code: p.code };
  if (p.details.length > 0) body.details = p.details;
  answer(res, p.status, 'application/problem+json', `${JSON.stringify(body)}\n`, {
    'Cache-Control': 'no-store', ...(p.status === 503 && { 'Retry-After': '2' }), ...(p.status === 405 && { Allow: 'POST' }),
  });
  return p.status;
}

function probe(req, res) {
  if (req.url !== '/livez') {
    try {
      if (draining) throw new Error('draining');
      fs.accessSync(MAIL_DIR, fs.constants.W_OK);
    } catch (err) {
      answer(res, 503, 'text/plain', `not ready: ${err.message}\n`);
      return;
    }
  }
  answer(res, 200, 'text/plain', 'ok\n');
}

function serve(req, res, body) {
  if (['/livez', '/readyz', '/startupz'].includes(req.url)) {
    probe(req, res);
    return;
  }
  if (req.url.startsWith('/.muster/')) { // muster looks for what only services of its library have
    refuse(req, res, new Problem(404, 'not_found', 'there is only /events'), null);
    return;
  }
  const span = begin(req);
  let status;
  try {
    if (req.url !== '/events') throw new Problem(404, 'not_found', 'there is only /events');
    if (req.method !== 'POST') throw new Problem(405, 'unimplemented', 'events are posted');
    if (body === null) throw new Problem(413, 'too_large', `an event may have ${MOST} bytes`);
    const event = receive(req, body);
    span.attributes = { 'messaging.message.id': event.id, 'messaging.destination.name': event.type, 'shop.order': event.data.order };
    const sent = send(event);
    status = sent ? 201 : 200;
    log('INFO', sent ? 'mail sent' : 'mail was sent before', { order: event.data.order, state: event.mail.state, event: event.id, ...ids(span) });
    answer(res, status, 'application/json', `${JSON.stringify({ order: event.data.order, state: event.mail.state, sent })}\n`);
  } catch (err) {
    status = refuse(req, res, err, span);
  }
  end(span, req, status);
}

function main() {
  if (Number.parseInt(process.versions.node, 10) < 18) throw new Error(`node is ${process.versions.node}: it must be 18 or newer`);
  const port = Number(process.env.PORT || 0);
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new Error(`PORT is "${process.env.PORT}": it must be a whole number from 0 to 65535`);
  fs.mkdirSync(MAIL_DIR, { recursive: true });
  sweep();

  const server = http.createServer({ requestTimeout: 10_000, keepAliveTimeout: 60_000 }, (req, res) => {
    let chunks = [];
    let size = 0;
    req.on('data', (chunk) => {
      size += chunk.length;
      if (size <= MOST) chunks.push(chunk);
      else chunks = []; // the rest is read and forgotten, so that the answer is
    });
    req.on('end', () => serve(req, res, size > MOST ? null : Buffer.concat(chunks)));
    req.on('error', () => {}); // the caller is gone: nobody is left to tell
  });
  server.on('error', (err) => {
    process.stderr.write(`error: ${err.message}\n`);
    process.exit(1);
  });
  server.listen(port, process.env.MUSTER_HOST || '127.0.0.1', () => {
    log('INFO', 'listening', { http: `http://${server.address().address}:${server.address().port}`, mails: MAIL_DIR });
  });

  const stop = (signal) => {
    if (draining) return;
    draining = true;
    server.close(() => {
      log('INFO', 'ended');
      Promise.resolve(outbox.sending).then(() => outbox.send()); // one last try keeps the process until it is answered
    });
    server.closeIdleConnections(); // which close of Node 18 leaves open
    log('INFO', 'draining', { signal });
    setTimeout(() => server.closeAllConnections(), DRAIN).unref();
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
}

try {
  main();
} catch (err) {
  process.stderr.write(`error: ${err.message}\n`);
  process.exit(2);
}
