import { userInfo } from 'node:os';
import { Authorizations, mostDays, openCentralStore } from '../central/index.ts';
import { MachineRegistry } from '../documents/index.ts';
import { HoldfastError } from '../errors.ts';
import { SiteTime, silentLogger, systemClock } from '../platform/index.ts';
import { isSerial } from '../protocols/machines/index.ts';
import type { Command } from './command.ts';

/** `holdfast authorize`: shows or changes until when a machine may print, at the centre. */
export const command: Command = {
  summary: 'Shows or changes until when a machine may print (at the centre)',
  usage: 'SERIAL [--days N | --revoke]',
  options: {
    days: { type: 'string', value: 'N', description: `until now + N whole days, 1 to ${mostDays}; --days=-N: ended` },
    revoke: { type: 'boolean', description: 'ended since yesterday, the same as --days=-1' },
  },
  details: [
    'Works on the database of central.mongodb, whether a centre runs or not (on central.embedded only while none runs).',
    'A change is in force for queries at once; a running centre tells the gateways within a second, else the next one',
    'that is started does.',
    'It stands in the change log under console:<user of the operating system>.',
  ].join('\n'),
  async run(context) {
    const [serial, ...rest] = context.words;
    if (serial === undefined) throw new HoldfastError('usage', 'authorize needs the serial number of a machine');
    if (rest.length > 0) throw new HoldfastError('usage', `authorize takes one serial number, not also ${rest[0]}`);
    if (!isSerial(serial)) {
      throw new HoldfastError('usage', `${serial} is no serial number: 1 to 64 of the characters A-Z a-z 0-9 _ -`);
    }
    const days = context.numberOption('days', { least: -mostDays, most: mostDays });
    if (days === 0) throw new HoldfastError('usage', '--days: 0 changes nothing');
    if (days !== undefined && context.flag('revoke')) {
      throw new HoldfastError('usage', '--days and --revoke exclude each other');
    }
    const wholeDays = context.flag('revoke') ? -1 : days;
    const { config } = context.loadConfig();
    const store = openCentralStore(config.central, { logger: silentLogger });
    const clock = systemClock();
    const authorizations = new Authorizations({
      store,
      registry: new MachineRegistry({ store, logger: silentLogger }),
      siteTime: new SiteTime(config.site.timezone),
      clock,
      logger: silentLogger,
    });
    await store.start();
    try {
      const by = `console:${userInfo().username}`;
      const found =
        wholeDays === undefined ? await authorizations.read(serial) : await authorizations.set(serial, wholeDays, by);
      if (found === undefined) {
        throw new HoldfastError(
          'not-found',
          wholeDays === undefined
            ? `${serial} has never been authorized; authorize it with --days N`
            : `${serial} is not known to the centre: it has sent no base information yet`,
        );
      }
      context.print(`${serial} until ${found.until} (${config.site.timezone})`);
      return 0;
    } finally {
      await store.stop();
    }
  },
};
