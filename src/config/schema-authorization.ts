import { duration, file, integer, size, text } from './readers.ts';
import { field, group, optional } from './table.ts';

/** Keys of `authorization`. */
export const authorizationKeys = {
  answerWithin: field(duration('100ms', '10s'), '2s', {
    as: 'answerWithinMs',
    description:
      'How long the centre has to answer a query for authorization before a valid lease answers it. Machines give up after 3 s.',
  }),
  offlineGrace: field(duration('1m', '365d'), '72h', {
    as: 'offlineGraceMs',
    description:
      'How long a grant of the centre may be repeated by the gateway while the centre is away, unless its own end comes earlier.',
  }),
  centreKey: optional(file(), {
    description:
      "The centre's public key (PEM, Ed25519; `GET /enrol/key` at the centre). Grants and pushes must be signed with it then. An enrolled gateway has it in `secrets/centre.pub`; without either, this box's own seal vouches for leases.",
  }),
  hardwareIdentity: optional(
    text({ allowed: '8 to 256 characters', matches: (value) => value.length >= 8 && value.length <= 256 }),
    {
      description:
        'What leases are bound to besides `secrets/box.key`, for containers and computers without a serial number of their own: something that stays on this box when its data folder is copied.',
    },
  ),
  maxLeases: field(integer(100, 100_000), 10_000, {
    description:
      'Leases and remembered denials, one per machine, that are kept at most; expired ones and old denials go first.',
  }),
  audit: group('The audit log of authorization, `logs/audit.log` in the data folder.', {
    fileSize: field(size('64KiB', '1GiB'), '8MiB', {
      as: 'fileBytes',
      description: 'Size of a file; then it gets a number and a new one is begun.',
    }),
    files: field(integer(2, 1000), 10, {
      description: 'Files that are kept at most. That an older one was removed is noted in the log itself.',
    }),
  }),
};
