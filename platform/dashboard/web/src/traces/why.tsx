import { useState } from 'preact/hooks';
import { list, useQuery, type Why } from '../api';
import { Button, Icon } from '../ui';
import { duration } from '../ui/format';

/** Why the trace took as long as it did, in a sentence, and the places where time went. */
export function WhyPart({ id, onSpan }: { id: string; onSpan: (span: string) => void }) {
  const [open, setOpen] = useState(false);
  const q = useQuery<Why>('/v1/telemetry/why/' + id);
  // The diagnosis is an addition: where there is none, the trace is shown without.
  if (!q.data?.sentence) return null;
  const causes = list(q.data.causes);
  return (
    <section class="why" aria-label="Why it took so long">
      <div class="why-line">
        <Icon name="clock" />
        <p>{q.data.sentence}</p>
        {causes.length > 0 && <Button small kind="quiet" onClick={() => setOpen(!open)} pressed={open}>{open ? 'Less' : causes.length === 1 ? '1 cause' : causes.length + ' causes'}</Button>}
      </div>
      {open && (
        <table class="why-causes">
          <thead><tr><th scope="col">Where</th><th scope="col" class="right">Here</th><th scope="col" class="right">Usually</th><th scope="col" class="right">More</th></tr></thead>
          <tbody>
            {causes.slice(0, 12).map((c) => (
              <tr key={c.service + c.name + c.kind}>
                <td>
                  <button type="button" class="link" onClick={() => onSpan(c.example)}>{c.service}: {c.name}</button>
                  {c.spans > 1 && <span class="faint num"> ×{c.spans}</span>}
                  {c.errors > 0 && <span class="bad num"> {c.errors} failed</span>}
                  {c.detail && <div class="mono faint cut" title={c.detail}>{c.detail}</div>}
                </td>
                <td class="right num">{duration(c.critical)}</td>
                <td class="right num muted">{q.data!.enough ? duration(c.usual) : '–'}</td>
                <td class={'right num' + (c.excess > 0 && q.data!.enough ? ' warn' : ' muted')}>{q.data!.enough ? (c.excess > 0 ? '+' : '') + duration(c.excess) : '–'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
