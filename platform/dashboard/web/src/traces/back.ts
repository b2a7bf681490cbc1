// The way back from a trace leads to the list as it was left.
let search = '';

export function remember(listSearch: string): void { search = listSearch; }

export function listAddress(): string { return '/traces' + search; }
