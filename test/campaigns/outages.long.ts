// serial
// deadline: 60m
import { suite } from 'uvu';
import { type Outage, outageCampaign, outages } from './outages.ts';

const test = suite('outages between the box and the database, at length');
const rounds = Number(process.env.HOLDFAST_TEST_ROUNDS ?? 60);
/** These stop the same thing and start it again, so only one of them goes on at a time. */
const ofOneKind = [/rabbit/, /centre/, /database/, /lines/, /gateway/];

for (const killed of [false, true]) {
  test(`${rounds} rounds, one or two at once, RabbitMQ ${killed ? 'also killed' : 'only restarted'}`, () =>
    outageCampaign((random) => {
      const names = (Object.keys(outages) as Outage[]).filter((name) => killed || name !== 'rabbit killed');
      return Array.from({ length: rounds }, (_, round) => {
        const first = killed && round % 3 === 0 ? 'rabbit killed' : random.pick(names);
        if (random.chance(0.5)) return [first];
        const kind = ofOneKind.find((each) => each.test(first))!;
        return [first, random.pick(names.filter((name) => !kind.test(name)))];
      });
    }));
}

test.run();
