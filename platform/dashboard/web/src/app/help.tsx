import { Dialog, Kbd } from '../ui';
import { pages } from './pages';

type Keys = [string[], string][];

const groups: { title: string; keys: Keys }[] = [
  { title: 'Go to', keys: pages.map((p) => [['g', p.key], p.name]) },
  { title: 'Everywhere', keys: [
    [['/'], 'Search on this page'], [['j', 'k'], 'Next and previous row'], [['Enter'], 'Open the row'],
    [['Esc'], 'Close, or back'], [['d'], 'Light or dark'], [['?'], 'This help'],
  ] },
  { title: 'In a trace', keys: [
    [['Ctrl F', '/'], 'Find in the trace'], [['n', 'N'], 'Next and previous find'], [['e'], 'Next failed span'], [['c'], 'Critical path'],
    [['←', '→'], 'Fold and open a span'], [['[', ']'], 'Fold all, open all'], [['+', '-', '0'], 'Zoom in, out, all'], [[',', '.'], 'Earlier, later'],
  ] },
  { title: 'Logs', keys: [[['p'], 'Pause the live tail, go on'], [['G'], 'To the newest']] },
  { title: 'Metrics', keys: [[['Enter'], 'Run the query'], [['Shift Enter'], 'Another line'], [['Tab'], 'Take the suggestion'], [['Ctrl Space'], 'Suggest']] },
];

export function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose} wide>
      <div class="help">
        {groups.map((g) => (
          <section key={g.title}>
            <h3>{g.title}</h3>
            <dl class="help-keys">{g.keys.map(([k, what]) => <div key={what}><dt>{what}</dt><dd>{k.map((one) => <Kbd key={one}>{one}</Kbd>)}</dd></div>)}</dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
