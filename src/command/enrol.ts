import { HoldfastError } from '../errors.ts';
import type { Command } from './command.ts';
import { enrolThisBox } from './enrol-box.ts';
import { makeCode } from './enrol-new.ts';

/** `holdfast enrol`: gives a new box its id and its way to the centre. */
export const command: Command = {
  summary: 'Gives a box its id and its way to the centre with a one-time code, or makes one',
  usage: 'https://CENTRE [CODE] | --new --upstream URL',
  options: {
    ca: { type: 'string', value: 'FILE', description: "box: authority of the centre's certificate (the system's)" },
    fingerprint: { type: 'string', value: 'SHA256', description: "box: of the centre's certificate, in place of --ca" },
    force: { type: 'boolean', description: 'box: takes another id although reports wait under the old one' },
    new: { type: 'boolean', description: 'centre: makes a code' },
    gateway: { type: 'string', value: 'ID', description: 'centre: id that the box shall have (its own)' },
    upstream: { type: 'string', value: 'URL', description: 'centre: what the box gets as upstream.url' },
    'upstream-ca': {
      type: 'string',
      value: 'FILE',
      description: 'centre: authority of that broker (central.brokerTls.ca)',
    },
    'upstream-certificate': {
      type: 'string',
      value: 'FILE',
      description: 'centre: client certificate for that broker',
    },
    'upstream-key': { type: 'string', value: 'FILE', description: 'centre: private key of that certificate' },
    valid: { type: 'string', value: 'TIME', description: 'centre: how long the code is good, 1m to 30d (24h)' },
  },
  details: [
    'At the centre, with its configuration and --data: --new prints a code and the command for the box. The password',
    'of --upstream is asked for when the URL has a user and none; as a word others on that computer could see it.',
    'On the box: shows the code to the centre and keeps in DATA/secrets what it answers. The code is asked for, or read',
    'from standard input, when it is no word. A gateway that runs uses it from its next start on.',
  ].join('\n'),
  async run(context) {
    if (context.flag('new')) {
      if (context.words.length > 0) throw new HoldfastError('usage', 'enrol --new takes no words');
      return makeCode(context);
    }
    return enrolThisBox(context);
  },
};
