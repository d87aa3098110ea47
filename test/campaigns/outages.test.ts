// deadline: 240s
import { suite } from 'uvu';
import { outageCampaign } from './outages.ts';

const test = suite('outages between the box and the database');

test('each outage once, over AMQP and MQTT: everything acknowledged arrives once and in order', () =>
  outageCampaign(
    () => [
      ['lines cut in mid-message'],
      ['a centre killed'],
      ['rabbit restarted'],
      ['database killed'],
      ['lines cut in the handshake'],
      ['both centres stopped', 'a gateway killed'],
    ],
    12,
  ));

test.run();
