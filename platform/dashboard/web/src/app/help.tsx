import { Dialog, Kbd } from '../ui';
import { pages } from './pages';

const keys: [string[], string][] = [
  [['/'], 'Search on this page'], [['?'], 'This help'], [['d'], 'Light or dark'],
  [['j', 'k'], 'Next and previous row'], [['Enter'], 'Open the row'], [['Esc'], 'Close, or back'],
];

export function Help({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys" onClose={onClose} wide>
      <dl class="help-keys">
        {pages.map((p) => <div key={p.key}><dt>{p.name}</dt><dd><Kbd>g</Kbd> <Kbd>{p.key}</Kbd></dd></div>)}
        {keys.map(([k, what]) => <div key={what}><dt>{what}</dt><dd>{k.map((one) => <><Kbd key={one}>{one}</Kbd> </>)}</dd></div>)}
      </dl>
    </Dialog>
  );
}
