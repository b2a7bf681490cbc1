// Questions to the server: every one ends, at the latest with its time limit; every
// failure says what failed in words.
import { seen } from './connection';

// ApiError is an answer that is none. status 0: no answer came.
export class ApiError extends Error {
  constructor(message: string, readonly status: number, readonly code: string, readonly details: { field?: string; reason: string }[] = []) {
    super(message);
  }
}

export interface Ask { signal?: AbortSignal; timeout?: number; method?: string; body?: BodyInit; headers?: Record<string, string> }

// ask sends a request to a path of this server and returns its JSON.
export async function ask<T>(path: string, a: Ask = {}): Promise<T> {
  const limit = a.timeout ?? 15_000;
  const timer = AbortSignal.timeout(limit);
  const signal = a.signal ? AbortSignal.any([a.signal, timer]) : timer;
  let res: Response;
  let text: string;
  try {
    res = await fetch(path, { method: a.method, body: a.body, signal, headers: { Accept: 'application/json', ...a.headers } });
    text = await res.text();
  } catch (e) {
    if (a.signal?.aborted) throw e; // nobody waits for this any more
    if (timer.aborted) throw new ApiError(`No answer within ${limit / 1000} s.`, 0, 'timeout');
    seen(false);
    throw new ApiError('Muster does not answer: is it still running?', 0, 'unreachable');
  }
  seen(true, res.headers.get('Date'));
  if (!res.ok) throw failure(res.status, text);
  if (text === '') return undefined as T;
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new ApiError('The answer is not JSON: is this the address of Muster’s control?', res.status, 'unreadable');
  }
}

function failure(status: number, text: string): ApiError {
  try {
    // Problems (RFC 9457), and what Prometheus' API says.
    const p = JSON.parse(text) as { detail?: string; title?: string; code?: string; details?: { field?: string; reason: string }[]; error?: string; errorType?: string };
    const more = (p.details ?? []).map((d) => (d.field ? `${d.field}: ${d.reason}` : d.reason)).join('; ');
    const said = p.detail ?? p.error ?? p.title ?? `The server answered ${status}.`;
    return new ApiError(more && !said.includes(more) ? `${said} (${more})` : said, status, p.code ?? p.errorType ?? '', p.details ?? []);
  } catch {
    return new ApiError(status === 404 ? 'The server has nothing at this address.' : `The server answered ${status}.`, status, '');
  }
}

// act sends what changes something. The header keeps pages of other sites from doing so.
export function act<T>(path: string, body: unknown = {}): Promise<T> {
  return ask<T>(path, { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json', 'Muster-Action': 'yes' } });
}

// withQuery appends parameters, leaving out those that are empty. Arrays repeat.
export function withQuery(path: string, params: Record<string, string | number | boolean | string[] | null | undefined>): string {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(params)) {
    for (const one of Array.isArray(v) ? v : [v]) {
      if (one !== '' && one !== null && one !== undefined && one !== false) q.append(k, String(one));
    }
  }
  const s = q.toString();
  return s ? `${path}?${s}` : path;
}
