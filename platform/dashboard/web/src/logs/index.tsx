// The logs: what programs print, as it comes in or as it was.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import './logs.css';
import { list } from '../api';
import { useKeys } from '../app/keys';
import { setParams, useRoute } from '../app/router';
import { useServices } from '../app/services';
import { useFill } from '../traces/fill';
import { Button, Empty, ErrorState, Field, Icon, Notice, Page, Select, Skeleton, TimeRange, Toolbar, rangeOf, setRange } from '../ui';
import { whole } from '../ui/format';
import { LogDetail } from './detail';
import { LogHistogram } from './logchart';
import { LogList } from './list';
import { useTail, type Line } from './tail';

export function LogsPage() {
  const route = useRoute();
  const a = { service: route.get('service'), severity: route.get('severity'), q: route.get('q'), trace: route.get('trace'), attr: route.params.getAll('attr') };
  // A trace is looked at whenever it was.
  const otherwise = a.trace ? '24h' : '15m';
  const key = rangeOf(route, otherwise).key;
  const range = useMemo(() => rangeOf(route, otherwise), [key]);
  const [paused, setPaused] = useState(false);
  const live = !!range.last;
  const t = useTail(a, range, live, live && paused);

  const [chosen, setChosen] = useState<Line | undefined>();
  const [active, setActive] = useState(-1); // the key of a line
  const [followed, setFollowed] = useState(true); // the newest are in sight
  const body = useRef<HTMLDivElement>(null);
  useFill(body, 320, [t.error === undefined]);
  const services = useServices();
  const names = list(services).map((s) => s.name);
  if (a.service && !names.includes(a.service)) names.push(a.service);
  useEffect(() => setChosen(undefined), [JSON.stringify(a), key]);

  const placeOf = (key: number) => {
    for (let i = t.ring.size - 1; i >= 0; i--) if (t.ring.at(i).key === key) return i;
    return -1;
  };
  const step = (by: number) => {
    const { ring } = t;
    if (ring.size === 0) return;
    const at = placeOf(here.current);
    const next = ring.at(Math.max(0, Math.min(ring.size - 1, at < 0 ? ring.size - 1 : at + by)));
    here.current = next.key;
    setActive(next.key);
    setChosen((c) => c && next);
  };
  const open = () => {
    const at = placeOf(here.current);
    if (at >= 0) setChosen(t.ring.at(at));
  };
  // Keys may come faster than the page draws: they go by what is true now.
  const here = useRef(active);
  here.current = active;
  const latest = useRef({ step, open });
  latest.current = { step, open };
  useKeys({
    j: () => latest.current.step(1), k: () => latest.current.step(-1), Enter: () => latest.current.open(),
    p: () => setPaused((p) => !p),
    G: () => setFollowed(true),
    Escape: () => setChosen(undefined),
  }, []);

  const filtered = !!(a.service || a.severity || a.q || a.trace || a.attr.length);
  const clear = () => setParams({ service: null, severity: null, q: null, trace: null, attr: null });
  const without = (attr: string) => setParams({ attr: a.attr.filter((o) => o !== attr) });

  return (
    <Page title="Logs" wide actions={<>
      {live && <Button icon={paused ? 'play' : 'pause'} onClick={() => setPaused(!paused)} pressed={paused} title={paused ? 'Go on (p)' : 'Pause (p)'}>
        {paused ? <>Resume{t.waiting > 0 && <span class="num tail-waiting">{whole(t.waiting)} new</span>}</> : 'Pause'}
      </Button>}
      {live && <span class={'tail-state ' + (t.broken ? 'bad' : paused ? 'warn' : 'good')}><i />{t.broken ? 'reconnecting' : paused ? 'paused' : 'live'}</span>}
      <TimeRange range={range} />
    </>}>
      <Toolbar>
        <Search value={a.q} />
        <Select label="Service" hideLabel value={a.service} options={[{ value: '', label: 'All services' }, ...names]} onChange={(v) => setParams({ service: v || null })} />
        <Select label="Severity" hideLabel value={a.severity} options={[
          { value: '', label: 'All severities' }, { value: 'debug', label: 'Debug and above' }, { value: 'info', label: 'Info and above' },
          { value: 'warn', label: 'Warnings and errors' }, { value: 'error', label: 'Errors' },
        ]} onChange={(v) => setParams({ severity: v || null })} />
        {a.trace && <Chip label={'trace ' + a.trace.slice(0, 12) + '…'} href={'/traces/' + a.trace} onClose={() => setParams({ trace: null })} />}
        {a.attr.map((x) => <Chip key={x} label={x} onClose={() => without(x)} />)}
        {filtered && <Button kind="quiet" icon="close" onClick={clear}>Clear</Button>}
      </Toolbar>
      {t.broken && <Notice kind="warn">The live tail is interrupted and connects again; what comes meanwhile is fetched then.</Notice>}
      {t.dropped > 0 && <Notice kind="warn">While paused, {whole(t.dropped)} more records came than are held; they are in the store: choose their time to see them.</Notice>}
      {t.error && t.ring.size === 0 ? <ErrorState error={t.error} what="The logs" retry={t.reload} /> : <>
        {t.error && <Notice kind="warn" action={<Button small onClick={t.reload}>Try again</Button>}>The logs could not be loaded: {t.error.message}</Notice>}
        <LogHistogram ring={t.ring} version={t.version} from={range.from} until={live ? undefined : range.until} more={t.more}
          onRange={(from, until) => setRange({ from, until })} />
        <div class={'logs-body panel flush' + (chosen ? ' with-detail' : '')} ref={body}>
          {t.loading && t.ring.size === 0 ? <div class="logs-wait"><Skeleton rows={16} height={22} /></div>
            : t.ring.size === 0 ? (
              <Empty title={filtered ? 'No record is like this' : live ? 'Nothing was logged yet' : 'Nothing was logged in this time'} icon="logs"
                action={filtered ? <Button onClick={clear}>Clear filters</Button> : undefined}>
                {live ? 'New records appear here by themselves.' : 'Choose another time.'} {!filtered && live && 'What services print, and the log records they send by OTLP, are collected.'}
              </Empty>
            ) : <LogList tail={t} search={a.q} active={active} followed={followed} onFollowed={setFollowed} paused={paused} live={live}
              onOpen={(l) => { setActive(l.key); setChosen(l); }} onStep={step} onEnter={open} />}
          {chosen && <LogDetail log={chosen} onClose={() => setChosen(undefined)} onAttr={(x) => setParams({ attr: [...new Set([...a.attr, x])] })} />}
        </div>
      </>}
    </Page>
  );
}

function Chip({ label, href, onClose }: { label: string; href?: string; onClose: () => void }) {
  return (
    <span class="chip mono">
      {href ? <a class="cut" href={href}>{label}</a> : <span class="cut">{label}</span>}
      <button type="button" aria-label={'Without ' + label} onClick={onClose}><Icon name="close" size={12} /></button>
    </span>
  );
}

// Search is sent a moment after the last key.
function Search({ value }: { value: string }) {
  const [text, setText] = useState(value);
  const timer = useRef(0);
  useEffect(() => setText(value), [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  return (
    <Field label="Search" hideLabel search icon="search" placeholder="Search in the text" width="280px" value={text}
      onInput={(v) => {
        setText(v);
        clearTimeout(timer.current);
        timer.current = window.setTimeout(() => setParams({ q: v || null }, true), 300);
      }} />
  );
}
