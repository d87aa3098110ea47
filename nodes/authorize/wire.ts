import { NodeError } from '../shared/node-error.ts';

/** The five fields of a machine's identity and their wire keys (contracts/machines.md, 'Messages'). */
export const identityKeys = {
  serial: '序列号',
  model: '机器型号',
  machine: '机器名称',
  address: '地址',
  customer: '客户名称',
} as const;

const askingKey = '查询授权';
const asking = '1';

export type Identity = { readonly [Field in keyof typeof identityKeys]: string };

/**
 * The query of machines.md.
 *
 * @throws NodeError `bad-input` that names what is missing
 */
export function queryOf(identity: Identity): Record<string, string> {
  const query: Record<string, string> = {};
  for (const [field, key] of Object.entries(identityKeys)) {
    const value = String(identity[field as keyof Identity] ?? '').trim();
    if (value === '') throw new NodeError('bad-input', `${key} is empty: enter it in the authorize node`);
    query[key] = value;
  }
  return { ...query, [askingKey]: asking };
}

/**
 * A message's own query: an object with the wire keys, or its JSON text. Its fields are the gateway's to judge.
 *
 * @throws NodeError `bad-input`
 */
export function queryFrom(payload: unknown): Record<string, unknown> {
  let value = payload;
  if (typeof payload === 'string' || Buffer.isBuffer(payload)) {
    try {
      value = JSON.parse(payload.toString());
    } catch (cause) {
      throw new NodeError('bad-input', 'msg.payload is not JSON', { cause });
    }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new NodeError('bad-input', `msg.payload must be an object with ${Object.values(identityKeys).join(', ')}`);
  }
  return { [askingKey]: asking, ...value };
}
