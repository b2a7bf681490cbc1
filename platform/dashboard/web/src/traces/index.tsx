import './traces.css';
import './trace.css';

export { TracePage } from './trace';
export { TracesPage } from './traces';
