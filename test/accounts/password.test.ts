import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CredentialCache, hashPassword, verifyPassword } from '../../src/accounts/index.ts';
import { type Clock, systemClock } from '../../src/platform/index.ts';

const test = suite('passwords');

test('a hash is salted, in PHC form, and verifies', async () => {
  const [one, two] = await Promise.all([hashPassword('geheim'), hashPassword('geheim')]);
  assert.match(one, /^\$scrypt\$ln=14,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  assert.is.not(one, two);
  assert.ok(await verifyPassword('geheim', one));
  assert.not(await verifyPassword('Geheim', one));
});

test('a plain password is compared as it is', async () => {
  assert.ok(await verifyPassword('p', 'p'));
  assert.not(await verifyPassword('p', 'pp'));
  assert.not(await verifyPassword('', 'p'));
});

test('the same characters in another encoding are the same password', async () => {
  assert.ok(await verifyPassword('cafe\u0301', await hashPassword('caf\u00e9')));
});

test('agrees with the test vector of RFC 7914', async () => {
  const salt = Buffer.from('NaCl').toString('base64').replace(/=+$/, '');
  const expected = 'fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162';
  const long = 'SodiumChloride';
  const hash = Buffer.from(
    '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887',
    'hex',
  );
  const salt2 = Buffer.from(long).toString('base64').replace(/=+$/, '');
  const stored = `$scrypt$ln=14,r=8,p=1$${salt2}$${hash.toString('base64').replace(/=+$/, '')}`;
  assert.ok(await verifyPassword('pleaseletmein', stored));
  // The second vector's salt is shorter than any that a hash of ours may have.
  const short = `$scrypt$ln=10,r=8,p=16$${salt}$${Buffer.from(expected, 'hex').toString('base64').replace(/=+$/, '')}`;
  assert.not(await verifyPassword('password', short));
});

test('a hash that is damaged or asks for too much matches nothing, at once', async () => {
  const rest = 'AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
  const startedAt = performance.now();
  for (const stored of [
    '$scrypt$',
    `$scrypt$ln=0,r=8,p=1$${rest}`,
    `$scrypt$ln=25,r=8,p=1$${rest}`,
    `$scrypt$ln=14,r=999,p=1$${rest}`,
    `$scrypt$ln=14,r=8,p=999$${rest}`,
    `$scrypt$ln=14,r=8,p=1$${rest}$more`,
    `$scrypt$ln=14,r=8$${rest}`,
  ]) {
    assert.not(await verifyPassword('x', stored), stored);
    assert.not(await verifyPassword(stored, stored), stored);
  }
  assert.ok(performance.now() - startedAt < 500);
});

test('hashes at the same time leave threads for the disk, and all of them end', async () => {
  const stored = await hashPassword('p');
  const checks = Array.from({ length: 8 }, (_, index) => verifyPassword(index % 2 ? 'p' : 'q', stored));
  assert.equal(await Promise.all(checks), [false, true, false, true, false, true, false, true]);
});

/** A cache with a clock that is moved by hand. */
function cacheOf(right: string, options: { capacity?: number; lifetimeMs?: number } = {}) {
  const state = { now: 0, calls: 0 };
  const clock: Clock = { ...systemClock(), monotonicMs: () => state.now };
  const verify = async (_username: string, password: string) => {
    state.calls++;
    return password === right;
  };
  return { state, cache: new CredentialCache({ clock, verify, ...options }) };
}

test('the cache asks once for a right pair, until it is too old', async () => {
  const { state, cache } = cacheOf('p', { lifetimeMs: 1000 });
  assert.equal(await Promise.all([cache.check('u', 'p'), cache.check('u', 'p')]), [true, true]);
  assert.ok(await cache.check('u', 'p'));
  assert.is(state.calls, 1);
  state.now = 1000;
  assert.ok(await cache.check('u', 'p'));
  assert.is(state.calls, 2);
});

test('the cache remembers no wrong pair and mixes up none', async () => {
  const { state, cache } = cacheOf('bc');
  assert.ok(await cache.check('a', 'bc'));
  assert.not(await cache.check('ab', 'c'));
  assert.not(await cache.check('ab', 'c'));
  assert.is(state.calls, 3);
});

test('the cache is bounded and can be cleared', async () => {
  const { state, cache } = cacheOf('p', { capacity: 2 });
  for (const user of ['a', 'b', 'c', 'b', 'c']) await cache.check(user, 'p');
  assert.is(state.calls, 3);
  await cache.check('a', 'p');
  assert.is(state.calls, 4);
  const underWay = cache.check('d', 'p');
  cache.clear();
  await underWay;
  await cache.check('d', 'p');
  assert.is(state.calls, 6);
});

test.run();
