import type { BaseInformation } from '../protocols/machines/index.ts';
import { pick, type Random } from './random.ts';
import samples from './samples.json' with { type: 'json' };

/** What a machine says of itself in its base information; the time is added when it says it. */
export type Identity = Omit<BaseInformation, 'time'>;

/** The identity of the machine with that number, counted from 1; the same for the same number and random sequence. */
export function makeIdentity(serial: string, number: number, random: Random): Identity {
  const place = samples.places[(number - 1) % samples.places.length]!;
  const numberThere = Math.ceil(number / samples.places.length);
  return {
    serial,
    model: pick(random, samples.models),
    name: place.name.replace('{n}', String(numberThere)),
    address: place.address,
    customer: place.customer,
    controlBoardVersion: pick(random, samples.controlBoardVersions),
    motorType: pick(random, samples.motorTypes),
    scannerType: pick(random, samples.scannerTypes),
    laserType: pick(random, samples.laserTypes),
    softwareVersion: pick(random, samples.softwareVersions),
    controllerVersion: pick(random, samples.controllerVersions),
    analogBoardVersion: pick(random, samples.analogBoardVersions),
  };
}
