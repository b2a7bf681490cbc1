export * from './types';
export { ApiError, act, ask, withQuery, type Ask } from './client';
export { useQuery, type Query, type QueryOptions } from './query';
export { now, useConnection } from './connection';
export { subscribe, type StreamEvent } from './stream';
