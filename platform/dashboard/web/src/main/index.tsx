import { render } from 'preact';
import '../../vendor/uplot/uPlot.min.css';
import '../theme/tokens.css';
import '../theme/base.css';
import '../theme/ui.css';
import '../theme/shell.css';
import { App } from '../app/app';
import { listenForKeys } from '../app/keys';
import { followLinks } from '../app/router';
import { startTheme } from '../theme/theme';

startTheme();
listenForKeys();
followLinks();
render(<App />, document.getElementById('app')!);
