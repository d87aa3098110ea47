import { generateKeyPairSync, verify } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  encodePush,
  grantFields,
  identityFields,
  readGrant,
  readPush,
  sameIdentity,
  signGrant,
  verifyGrant,
} from '../../src/protocols/machines/index.ts';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const identity = {
  serial: 'sn000001',
  model: 'P440',
  name: '重庆1号机',
  address: '中国重庆市沙坪坝25号',
  customer: '重庆达优',
};
const terms = { identity, until: '2027-03-18 15:30:45', grantedAt: '2026-11-21 20:00:00', version: 7 };
const grant = signGrant(terms, 'gw-1', privateKey);

const grants = suite('grants');

grants('a signature covers every field, and the gateway', () => {
  assert.ok(verifyGrant(grant, 'gw-1', publicKey));
  assert.not.ok(verifyGrant(grant, 'gw-2', publicKey));
  for (const field of identityFields) {
    const other = { ...grant, identity: { ...identity, [field]: `${identity[field]}x` } };
    assert.not.ok(verifyGrant(other, 'gw-1', publicKey), field);
    assert.not.ok(sameIdentity(other.identity, identity), field);
  }
  assert.not.ok(verifyGrant({ ...grant, until: '2028-03-18 15:30:45' }, 'gw-1', publicKey));
  assert.not.ok(verifyGrant({ ...grant, grantedAt: '2026-11-22 20:00:00' }, 'gw-1', publicKey));
  assert.not.ok(verifyGrant({ ...grant, version: 8 }, 'gw-1', publicKey));
  assert.not.ok(verifyGrant(grant, 'gw-1', generateKeyPairSync('ed25519').publicKey));
});

grants('a signature that is none is not right, and does not throw', () => {
  for (const signature of ['', 'x', '====', grant.signature.slice(4), `${grant.signature}AAAA`, '\n']) {
    assert.not.ok(verifyGrant({ ...grant, signature }, 'gw-1', publicKey), signature);
  }
});

grants('what is signed is the text of the contract', () => {
  const text =
    'sn000001\nP440\n重庆1号机\n中国重庆市沙坪坝25号\n重庆达优\n2027-03-18 15:30:45\n2026-11-21 20:00:00\n7\ngw-1';
  assert.ok(verify(null, Buffer.from(text), publicKey, Buffer.from(grant.signature, 'base64')));
});

grants('a line feed in a field is neither signed nor verified', () => {
  const broken = { ...identity, name: '重庆\n1号机' };
  assert.throws(() => signGrant({ ...terms, identity: broken }, 'gw-1', privateKey), /line feed/);
  assert.not.ok(verifyGrant({ ...grant, identity: broken }, 'gw-1', publicKey));
});

grants('an answer and a push are read as they were written', () => {
  assert.equal(readGrant({ ...grantFields(grant) }, identity), grant);
  assert.equal(readPush(encodePush(grant)), grant);
});

grants('an answer without the added keys, or with one of another type, holds no grant', () => {
  for (const key of Object.keys(grantFields(grant))) {
    const body = { ...grantFields(grant) };
    delete body[key];
    assert.is(readGrant(body, identity), undefined, key);
    assert.is(readGrant({ ...grantFields(grant), [key]: [] }, identity), undefined, key);
  }
  assert.is(readPush(Buffer.from('{"类型":"授权变更"}')), undefined);
  assert.is(readPush(Buffer.from('not json')), undefined);
});

grants.run();
