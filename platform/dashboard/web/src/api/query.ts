import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, ask } from './client';
import { subscribe, type StreamEvent } from './stream';

// Query is a question and what became of it. While a newer answer is asked for, or could
// not be had, data is the last one: error tells that it is old, stale that it answers
// another question.
export interface Query<T> { data: T | undefined; error: ApiError | undefined; loading: boolean; stale: boolean; reload: () => void }

export interface QueryOptions<T> {
  every?: number; // ms; asked again so often while the page is visible
  live?: StreamEvent; // the event of /v1/stream that brings newer answers
  keep?: boolean; // data of another path stays until there is newer
  read?: (path: string, signal: AbortSignal) => Promise<T>;
}

// useQuery asks for the JSON at path; null asks for nothing. What fails is asked again,
// ever less often: not what the question itself is to blame for, and what is not there
// three times more, as it may be on its way.
export function useQuery<T>(path: string | null, o: QueryOptions<T> = {}): Query<T> {
  const [s, set] = useState<{ path: string | null; of?: string | null; data?: T; error?: ApiError; loading: boolean }>({ path, loading: path !== null });
  const [turn, again] = useState(0);
  const read = useRef(o.read);
  read.current = o.read;
  const reload = useCallback(() => again((n) => n + 1), []);

  useEffect(() => {
    if (path === null) {
      set({ path, loading: false });
      return;
    }
    const stop = new AbortController();
    let timer = 0;
    let fails = 0;
    let absent = 0; // times that the server had nothing at the address
    let final = false; // asking again the same would be answered the same
    const load = async () => {
      set((old) => (old.path === path || o.keep ? { ...old, path, loading: true } : { path, loading: true }));
      try {
        const data = await (read.current ?? ((p, signal) => ask<T>(p, { signal })))(path, stop.signal);
        if (stop.signal.aborted) return;
        fails = absent = 0;
        set({ path, of: path, data, loading: false });
      } catch (e) {
        if (stop.signal.aborted) return;
        fails++;
        const error = e instanceof ApiError ? e : new ApiError(String(e), 0, '');
        if (error.status === 404) absent++;
        final = absent >= 4 || [400, 401, 403, 405, 422].includes(error.status);
        set((old) => ({ ...old, path, error, loading: false }));
      }
      const retry = fails ? Math.min(1000 * 2 ** fails, 15_000) : 0;
      const wait = Math.max(o.every ?? 0, retry);
      if (wait && !final) timer = window.setTimeout(whenVisible, wait);
    };
    const whenVisible = () => {
      if (document.visibilityState === 'visible') void load();
      else document.addEventListener('visibilitychange', whenVisible, { once: true });
    };
    void load();
    const unsubscribe = o.live ? subscribe(o.live, (data) => set({ path, of: path, data: data as T, loading: false })) : undefined;
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', whenVisible);
      unsubscribe?.();
    };
  }, [path, turn, o.every, o.live]);

  const same = s.path === path || o.keep;
  return { data: same ? s.data : undefined, error: same ? s.error : undefined, loading: s.loading || s.path !== path, stale: s.data !== undefined && s.of !== path, reload };
}
