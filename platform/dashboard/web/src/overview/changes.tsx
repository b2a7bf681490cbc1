import { type Change } from '../api';
import { Badge, Panel, Service, format, type Tone } from '../ui';

const kinds: Record<string, Tone> = { version: 'accent', joined: 'good', left: 'warn' };

// Changes is what was changed or happened in the fleet, the newest first.
export function Changes({ changes, until }: { changes: Change[]; until: number }) {
  return (
    <Panel title="What changed" flush>
      {changes.length === 0 ? <p class="changes-none muted">Nothing in this window: no service came, went or changed its version.</p> : (
        <ol class="changes">
          {changes.slice(0, 40).map((c, i) => (
            <li key={i}>
              <div class="spread"><Service name={c.service} strong /><time class="muted num" title={format.clock(c.time)}>{format.ago(c.time, until)}</time></div>
              <div class="change-detail"><Badge tone={kinds[c.kind] ?? 'plain'}>{c.kind}</Badge><span class="muted">{c.detail}</span></div>
            </li>
          ))}
        </ol>
      )}
    </Panel>
  );
}
