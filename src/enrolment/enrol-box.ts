import { gatewayId } from '../config/index.ts';
import { HoldfastError } from '../errors.ts';
import type { FileSystem } from '../platform/index.ts';
import type { CentreAnswer, Trust } from './centre.ts';
import type { EnrolmentCode } from './code.ts';
import { boxKey, finishEnrolment, readKeptId, readUpstream, stageEnrolment } from './enrolment-files.ts';
import { type EnrolmentRefusal, type EnrolmentRequest, normalPublicKey, readAnswer, signRequest } from './messages.ts';
import { openSettings } from './settings.ts';

/** How the box stands. */
export interface BoxState {
  /** A gateway runs on the data folder: then what it is given is used from its next start on. */
  readonly running: boolean;
  /** Reports of which the centre may have got some under the box's present id. */
  readonly waiting: number;
  /** True when this box has, or has had, a way to the centre. */
  readonly hasSent: boolean;
}

/** What enrolling needs. */
export interface EnrolOptions {
  readonly centre: URL;
  readonly code: EnrolmentCode;
  readonly trust: Trust;
  readonly dataFolder: string;
  readonly fileSystem: FileSystem;
  /** `gateway.id`, which always goes before what the centre says. */
  readonly configuredId: string | undefined;
  readonly state: BoxState;
  /** Take another id although reports wait under the old one. */
  readonly force: boolean;
}

/** What came of it. */
export interface Enrolled {
  readonly gateway: string;
  /** The id that the box had before; undefined when it had none or the same. */
  readonly before: string | undefined;
}

const tries = 3;

/**
 * Shows a code to the centre and keeps what it answers. Reports are told apart at the centre by the id that they are
 * sent under: a box that may have sent some of those that still wait keeps its id, since they would be stored twice.
 *
 * @throws HoldfastError `enrolment-refused`, `enrolment-conflict`, `enrolment-untrusted`, `enrolment-unreachable`.
 */
export async function enrolBox(options: EnrolOptions): Promise<Enrolled> {
  const { dataFolder, fileSystem, configuredId, state, force, code } = options;
  const place = { dataFolder, fileSystem };
  // What an enrolment left that was cut off after its decisive step counts.
  if (!state.running) await finishEnrolment(place);
  const before = configuredId ?? readKeptId(place);
  const hasSent = state.hasSent || readUpstream(place) !== undefined;
  const mayChange =
    configuredId === undefined &&
    (force || before === undefined || !hasSent || (state.waiting === 0 && !state.running));
  const present = before ?? (await gatewayId({ configured: undefined, dataFolder, fileSystem }));
  const request = signRequest(
    { lookup: code.lookup, gateway: present, fixed: !mayChange },
    await boxKey({ dataFolder, fileSystem }),
  );
  const answer = readAnswer(await askUntilAnswered(options, request), request);
  if (answer === undefined) {
    throw new HoldfastError(
      'enrolment-untrusted',
      `${options.centre.host} answered what is not signed for this question: it is not used. Is that the centre?`,
    );
  }
  const settings = openSettings(answer.sealed, code);
  const centreKey = normalPublicKey(settings?.centreKey ?? answer.key);
  if (settings === undefined || centreKey === undefined || centreKey !== normalPublicKey(answer.key)) {
    throw new HoldfastError(
      'enrolment-untrusted',
      `what ${options.centre.host} answered was not made with this code: it is not used. Is that the centre?`,
    );
  }
  const gateway = settings.gateway ?? present;
  if (gateway !== answer.gateway || (gateway !== present && !mayChange)) throw otherGateway(options, present, gateway);
  const { url, ca, certificate, key } = settings;
  await stageEnrolment({ gateway, centreKey, url, ca, certificate, key }, place);
  if (!state.running) await finishEnrolment(place);
  return { gateway, before: before === gateway ? undefined : before };
}

/** An answer that is lost on its way is given once more; the centre knows the box by its key. */
async function askUntilAnswered(options: EnrolOptions, request: EnrolmentRequest): Promise<unknown> {
  // A gateway has this room too, and never asks: an HTTP client is 3 to 6 MiB.
  const { askCentre } = await import('./ask-centre.ts');
  for (let left = tries - 1; ; left--) {
    try {
      return bodyOf(await askCentre(options.centre, '/enrol', request, options.trust), options, request.gateway);
    } catch (error) {
      if (left === 0 || !(error instanceof HoldfastError) || error.code !== 'enrolment-unreachable') throw error;
    }
  }
}

function bodyOf({ status, body }: CentreAnswer, options: EnrolOptions, present: string): unknown {
  if (status === 200) return body;
  const { error, gateway } = (body ?? {}) as { error?: EnrolmentRefusal; gateway?: unknown };
  const { host } = options.centre;
  switch (error) {
    case 'refused':
      throw new HoldfastError(
        'enrolment-refused',
        `${host} does not know this code, or it was used or has expired: have another one made there`,
      );
    case 'other-gateway':
      throw otherGateway(options, present, typeof gateway === 'string' ? gateway : 'another gateway');
    case 'gateway-taken':
      throw new HoldfastError(
        'enrolment-conflict',
        `another box was enrolled as ${present}: give this one its own id, or have a code made for it with --gateway ${present} if it replaces that one`,
      );
    case 'too-many':
      throw new HoldfastError('enrolment-refused', `there were too many tries: wait a minute, then try again`);
    case 'https-required':
      throw new HoldfastError(
        'enrolment-refused',
        `${host} takes enrolments over https only: set central.http.tls there`,
      );
    case 'malformed':
      throw new HoldfastError('enrolment-refused', `${host} does not understand this version's question`);
    default:
      throw new HoldfastError('enrolment-unreachable', `${host} cannot enrol now (HTTP ${status}): try again later`);
  }
}

function otherGateway({ configuredId, state }: EnrolOptions, present: string, wanted: string): HoldfastError {
  const why =
    configuredId !== undefined
      ? `gateway.id of the configuration is ${present}, and the code is for ${wanted}: correct one of them`
      : state.running
        ? `the code is for ${wanted}, and this box has sent reports as ${present}: stop the gateway and enrol again`
        : `the code is for ${wanted}, and ${state.waiting} reports that may have been sent as ${present} wait here: let them be delivered first, or give --force and accept that some may be stored twice`;
  return new HoldfastError('enrolment-conflict', why);
}
