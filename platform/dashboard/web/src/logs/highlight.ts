/** A text cut where a search found something: every second part is a find. */
export function parts(text: string, search: string): string[] {
  const needle = search.toLowerCase();
  if (needle === '') return [text];
  const low = text.toLowerCase();
  // Where lowering changes lengths (İ), places would be wrong: better no marks than wrong ones.
  if (low.length !== text.length) return [text];
  const list: string[] = [];
  let from = 0;
  for (let at = low.indexOf(needle); at >= 0 && list.length < 200; at = low.indexOf(needle, from)) {
    list.push(text.slice(from, at), text.slice(at, at + needle.length));
    from = at + needle.length;
  }
  list.push(text.slice(from));
  return list;
}
