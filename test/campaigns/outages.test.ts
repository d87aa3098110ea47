// deadline: 240s
import { suite } from 'uvu';
import { outageCampaign } from './outages.ts';

const test = suite('outages between the box and the database');

test('each outage once, over AMQP and MQTT: everything acknowledged arrives once and in order', () =>
  outageCampaign((random) => [
    ['lines cut in mid-message'],
    ['a centre killed'],
    ['rabbit restarted'],
    ['database killed'],
    ['lines cut in the handshake'],
    ['both centres stopped', random.pick(['a gateway killed', 'lines cut in mid-message'])],
    ['lines cut in mid-message'],
  ]));

test.run();
