import { useState } from 'preact/hooks';
import { act, now, type HeldStep, type SagaDetail } from '../api';
import { Button, Confirm, Field, Notice, format } from '../ui';
import { ended } from './state';

export interface Order { verb: 'retry' | 'skip' | 'compensate' | 'pause' | 'resume'; name: string; danger?: boolean; text: string; may: (s: SagaDetail) => boolean }

const stuck = (s: SagaDetail) => s.state === 'paused' || (s.state !== 'waiting' && s.attempts > 0);

// orders are what a person may tell a saga, of which the service decides.
export const orders: Order[] = [
  { verb: 'retry', name: 'Retry', text: 'The step at hand is tried again at once, with all its attempts anew.', may: stuck },
  { verb: 'resume', name: 'Resume', text: 'The saga goes on as it was: the attempts that failed still count.', may: (s) => s.state === 'paused' },
  { verb: 'pause', name: 'Pause', text: 'The saga stops before its next step or try, until a person has it go on.', may: (s) => s.state === 'running' || s.state === 'compensating' },
  { verb: 'skip', name: 'Skip step', danger: true, text: 'The step at hand counts as done though it is not: make sure that what it should do has been done some other way.', may: stuck },
  { verb: 'compensate', name: 'Compensate', danger: true, text: 'The saga turns back: what its steps have done is undone, the last first.', may: (s) => !s.undoing },
];

// EditData replaces a saga's data, whole, unless something happened to it meanwhile.
export function EditData({ s, path, done }: { s: SagaDetail; path: string; done: () => void }) {
  const [seen, open] = useState<SagaDetail | null>(null); // as it was when the person began
  const [text, set] = useState('');
  if (ended(s) || s.owner) return null; // the service would refuse it
  return (
    <>
      <Button onClick={() => { open(s); set(JSON.stringify(s.data, null, 2)); }}>Edit</Button>
      {seen && (
        <Confirm title={`Edit the data of ${seen.name}/${seen.id}`} action="Replace the data" danger note onClose={() => open(null)}
          run={async (note) => {
            let data: unknown;
            try { data = JSON.parse(text); } catch (e) { throw new Error(`This is no JSON: ${e instanceof Error ? e.message : String(e)}`, { cause: e }); }
            await act(`${path}/edit`, { ...note, seq: seen.seq, data });
            done();
          }}>
          <p>They are replaced as a whole, where nothing has happened to the saga since they were read. It stays at its step.</p>
          <label class="edit"><span>Data</span><textarea class="mono" rows={12} value={text} spellcheck={false} autocomplete="off" onInput={(e) => set(e.currentTarget.value)} /></label>
        </Confirm>
      )}
    </>
  );
}

// RetryAll has all those tried again that one error stopped.
export function RetryAll({ s, done }: { s: SagaDetail; done: () => void }) {
  const [asked, ask] = useState(false);
  const [error, set] = useState('');
  const [told, tell] = useState('');
  if (s.state !== 'paused' || !s.error) return null;
  return (
    <>
      {told && <span class="muted" role="status">{told}</span>}
      <Button onClick={() => { set(s.error ?? ''); ask(true); }}>Retry all like it</Button>
      {asked && (
        <Confirm title={`Retry all ${s.name} with one error`} action="Retry all" note onClose={() => ask(false)}
          run={async (note) => {
            if (!error.trim()) throw new Error('Say a part of their error.');
            const r = await act<{ retried: number; refused: number }>(`/v1/ops/sagas/${encodeURIComponent(s.service)}/retry`, { ...note, name: s.name, error });
            tell(`${format.whole(r.retried)} are tried again${r.refused ? `, ${format.whole(r.refused)} could not be` : ''}.`);
            done();
          }}>
          <p>All sagas {s.name} of {s.service} that are paused with an error which has this text in it are tried again, one after the other.</p>
          <Field label="A part of the error" value={error} onInput={set} required />
        </Confirm>
      )}
    </>
  );
}

const placeOf = (h: HeldStep) => `${h.name}/${h.step}${h.undoing ? '/undo' : ''}`;

// HeldSteps are those at which many failed alike: each is told once, for all.
export function HeldSteps({ list, done }: { list: HeldStep[]; done: () => void }) {
  const [asked, ask] = useState<HeldStep | null>(null);
  return (
    <>
      {list.map((h) => (
        <Notice key={`${h.service} ${placeOf(h)}`} kind="bad" action={<Button onClick={() => ask(h)}>Resume the step</Button>}>
          <span class="strong">{placeOf(h)}</span> of {h.service} is held for all since {format.ago(Date.parse(h.since), now())}: {format.whole(h.waiting)} wait. {format.whole(h.sagas)} failed with: {h.error}
          {h.probe_at ? ' One saga is let through now and then; once it comes through, all go on.' : ' It waits for a person.'}
        </Notice>
      ))}
      {asked && (
        <Confirm title={`Resume ${placeOf(asked)}`} action="Resume" note onClose={() => ask(null)}
          run={async (note) => {
            await act(`/v1/ops/sagas/${encodeURIComponent(asked.service)}/resume`, { ...note, name: asked.name, step: asked.step, undoing: asked.undoing });
            done();
          }}>
          <p>All sagas that wait at the step go on at once. Those that were paused before it was held stay so.</p>
        </Confirm>
      )}
    </>
  );
}
