import type { Log } from '../api';
import { AttributeTable } from '../traces/attributes';
import { Badge, Button, Icon, Service } from '../ui';
import { clock } from '../ui/format';

const tones: Record<string, 'bad' | 'warn' | 'info' | 'plain'> = { fatal: 'bad', error: 'bad', warn: 'warn', info: 'info' };

/** Everything about one record. */
export function LogDetail({ log: l, onClose, onAttr }: { log: Log; onClose: () => void; onAttr: (attr: string) => void }) {
  return (
    <aside class="detail" aria-label="Log record">
      <header class="detail-head">
        <div class="detail-title">
          <div class="detail-marks"><Service name={l.service} strong /><Badge tone={tones[l.severity ?? ''] ?? 'plain'}>{l.severity || 'no severity'}</Badge></div>
          <p class="num muted">{new Date(l.time).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' })} {clock(l.time, true)}</p>
        </div>
        <Button kind="quiet" icon="copy" label="Copy as JSON" onClick={() => void navigator.clipboard?.writeText(JSON.stringify(l))} />
        <Button kind="quiet" icon="close" label="Close (Esc)" onClick={onClose} />
      </header>
      <div class="detail-body" tabIndex={0} role="group" aria-label="The record">
        <pre class="log-full">{l.body}</pre>
        {l.trace && (
          <p class="log-links">
            <a class="button" href={'/traces/' + l.trace + (l.span ? '?span=' + l.span : '')}><Icon name="traces" />Trace</a>
            <a class="button" href={'/logs?trace=' + l.trace}><Icon name="logs" />Logs of the trace</a>
          </p>
        )}
        <section class="detail-part">
          <h3>Attributes</h3>
          <AttributeTable attributes={l.attributes} label="Attributes" action={(k, v) => v.length > 200 ? null : (
            <span class="attr-do"><button type="button" onClick={() => onAttr(k + '=' + v)} title="Only records with this" aria-label={'Only records with ' + k + ' ' + v}><Icon name="search" size={12} /></button></span>
          )} />
        </section>
        <dl class="detail-ids mono">
          {l.instance && <><dt>instance</dt><dd>{l.instance}</dd></>}
          {l.trace && <><dt>trace</dt><dd>{l.trace}</dd></>}
          {l.span && <><dt>span</dt><dd>{l.span}</dd></>}
        </dl>
      </div>
    </aside>
  );
}
