import { serviceColor, token, type Theme } from '../theme/theme';
import type { Colors } from './paint';

/** The theme's colours as a canvas wants them. */
export function canvasColors(theme: Theme): Colors {
  return {
    text: token('--text'), muted: token('--muted'), line: token('--line'), bad: token('--bad'), warn: token('--warn'),
    surface: token('--surface'), service: (name) => serviceColor(name, theme),
  };
}
