import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, ask } from './client';
import { subscribe, type StreamEvent } from './stream';

// Query is a question and what became of it. While a newer answer is asked for, or could
// not be had, data is the last one: error tells that it is old.
export interface Query<T> { data: T | undefined; error: ApiError | undefined; loading: boolean; reload: () => void }

export interface QueryOptions<T> {
  every?: number; // ms; asked again so often while the page is visible
  live?: StreamEvent; // the event of /v1/stream that brings newer answers
  keep?: boolean; // data of another path stays until there is newer
  read?: (path: string, signal: AbortSignal) => Promise<T>;
}

// useQuery asks for the JSON at path; null asks for nothing.
export function useQuery<T>(path: string | null, o: QueryOptions<T> = {}): Query<T> {
  const [s, set] = useState<{ path: string | null; data?: T; error?: ApiError; loading: boolean }>({ path, loading: path !== null });
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
    const load = async () => {
      set((old) => (old.path === path || o.keep ? { ...old, path, loading: true } : { path, loading: true }));
      try {
        const data = await (read.current ?? ((p, signal) => ask<T>(p, { signal })))(path, stop.signal);
        if (stop.signal.aborted) return;
        fails = 0;
        set({ path, data, loading: false });
      } catch (e) {
        if (stop.signal.aborted) return;
        fails++;
        const error = e instanceof ApiError ? e : new ApiError(String(e), 0, '');
        set((old) => ({ ...old, path, error, loading: false }));
      }
      const retry = fails && (fails < 100) ? Math.min(1000 * 2 ** fails, 15_000) : 0;
      const wait = o.every ?? (fails ? retry : 0);
      if (wait) timer = window.setTimeout(whenVisible, fails ? Math.max(wait, retry) : wait);
    };
    const whenVisible = () => {
      if (document.visibilityState === 'visible') void load();
      else document.addEventListener('visibilitychange', whenVisible, { once: true });
    };
    void load();
    const unsubscribe = o.live ? subscribe(o.live, (data) => set({ path, data: data as T, loading: false })) : undefined;
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', whenVisible);
      unsubscribe?.();
    };
  }, [path, turn, o.every, o.live]);

  const same = s.path === path || o.keep;
  return { data: same ? s.data : undefined, error: same ? s.error : undefined, loading: s.loading || s.path !== path, reload };
}
