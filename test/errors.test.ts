import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { describeError, errorTable, HoldfastError, isHoldfastError } from '../src/errors.ts';

const page = readFileSync(new URL('../docs/errors.md', import.meta.url), 'utf8');

/** The sections of the page: code, severity, meaning, next step. */
const sections = page
  .split(/^## /m)
  .slice(1)
  .map(
    (section) =>
      /^(\S+)\n\n\*\*(\w+)\*\* – (.+)\n\n(Next: [\s\S]+)$/.exec(section) ?? [section, section.split('\n')[0]],
  );

const test = suite('errors');

test('docs/errors.md explains each code once, in the order of the table', () => {
  assert.equal(
    sections.map(([, code]) => code),
    Object.keys(errorTable),
  );
});

test('docs/errors.md gives severity and meaning of the table, and a next step', () => {
  const written = sections.map(([, code, severity, meaning]) => [code, severity, meaning]);
  assert.equal(
    written,
    Object.entries(errorTable).map(([code, [severity, meaning]]) => [code, severity, meaning]),
  );
  for (const [, code, , , next] of sections) assert.ok(next && next.length > 30, code);
});

test('an error carries the severity of its code and can be told by it', () => {
  const error = new HoldfastError('uplink-closed', 'gone', new Error('ECONNRESET'));
  assert.is(error.severity, 'link');
  assert.ok(isHoldfastError(error) && isHoldfastError(error, 'uplink-closed'));
  assert.not(isHoldfastError(error, 'spool-full') || isHoldfastError(new Error('x')));
  assert.is(describeError(error), 'gone (ECONNRESET)');
});

test.run();
