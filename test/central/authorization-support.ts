import { generateKeyPairSync } from 'node:crypto';
import { Authorizations } from '../../src/central/index.ts';
import { MachineRegistry, machineCollection, registryDocument } from '../../src/documents/index.ts';
import { type Clock, SiteTime, silentLogger, systemClock } from '../../src/platform/index.ts';
import type { DocumentStore } from '../../src/store/index.ts';

export const log = { database: 'device_info', collection: 'device_auth_log' };
export const authorizations = { database: 'device_info', collection: 'device_auth' };
export const outbox = { database: 'gateway', collection: 'push' };

export const identity = {
  机器型号: 'P440',
  机器名称: '重庆1号机',
  客户名称: '重庆达优',
  地址: '中国重庆市沙坪坝25号',
};

/** The seed's base information of a machine. */
export const baseInformation = (serial: string, more: object = {}) => ({
  序列号: serial,
  ...identity,
  操作软件版本: 'V1.01.001',
  报文时间: '2024-03-18 15:30:45',
  ...more,
});

/** The seed's query. */
export const query = (serial: string, more: object = {}) => ({ 序列号: serial, ...identity, 查询授权: '1', ...more });

/** A machine that has reported, as the registry has it. */
export async function knowMachine(store: DocumentStore, serial: string): Promise<void> {
  const base = { _id: `base-${serial}`, ...baseInformation(serial), _received: new Date() };
  await store.insertBatch(machineCollection, [{ document: registryDocument(base), series: serial }]);
}

/** The service as the command line has it: without anybody who tells the gateways. */
export function bareService(store: DocumentStore, clock: Clock = systemClock()): Authorizations {
  const registry = new MachineRegistry({ store, logger: silentLogger });
  return new Authorizations({
    store,
    registry,
    siteTime: new SiteTime('Asia/Shanghai'),
    clock,
    logger: silentLogger,
  });
}

export function newKey() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { privateKey, publicKey, publicPem: publicKey.export({ format: 'pem', type: 'spki' }) as string };
}
